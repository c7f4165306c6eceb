/* The two models of a part that is a program: one runs, the other one may be ready, as shared
 * objects in a folder that whoever installs them shares with this program.
 *
 *   FOLDER/a/model.so, FOLDER/b/model.so
 *   FOLDER/runs      `a` or `b`: written here alone, by a rename; missing: a
 *   FOLDER/wanted    `a` or `b`: the other one is whole and proven, and asked for; removed here
 *   FOLDER/before    `a` or `b`: the other one ran before; who writes to a slot removes it first
 *   FOLDER/stands    `a` or `b`: the program runs that model, and has told its neighbours; written
 *                    here, removed by whoever starts the program
 *
 * So an installer removes `before` and `wanted`, fills the slot, proves it, and writes `wanted`;
 * that and the switch survive a reset at any moment. */
#ifndef TINYOPS_PORT_PART_MODELS_H
#define TINYOPS_PORT_PART_MODELS_H

#include <sys/types.h>

#include "tinyops/chain.h"

typedef struct {
  void *object; /* null: not loaded */
  dev_t device;
  ino_t number; /* of the file that it was loaded from */
  tinyops_app_model model;
  const uint32_t *words;
} part_model;

typedef struct {
  const char *folder;
  part_model models[2];
  uint32_t active;
  uint32_t looked_ms;
  tinyops_app_board *board; /* whose `loaded` and `arena` are changed */
  tinyops_part_place *place;
} part_models;

/* Loads a shared object. Returns null, or why not. */
const char *part_model_load(part_model *self, const char *path);
/* Memory that a model wants for its arena and messages; 0: more than there is. */
uint32_t part_model_bytes(const part_model *self);

/* Loads what runs. Returns null, or why not. */
const char *part_models_open(part_models *self, const char *folder);

/* Says that the program stands. Returns 0 where that cannot be written. */
int part_models_stand(const part_models *self);

/* For place.switching, with a part_models as its context. */
extern const tinyops_chain_switching part_models_switching;

#endif
