/* See models.h. A file that cannot be read, or says anything else, says nothing. */
#include "models.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOOK_MS = 250, PATH_MAX_BYTES = 512, SLOTS = 2 };

static const char names[SLOTS] = {'a', 'b'};

/* dlsym gives an object pointer; POSIX promises that it holds a function's address too. */
static int find(void *object, const char *name, void *function) {
  void *found = dlsym(object, name);
  memcpy(function, &found, sizeof(found));
  return found != NULL;
}

const char *part_model_load(part_model *self, const char *path) {
  static const uint32_t none[1];
  struct stat facts;
  *self = (part_model){.object = NULL};
  if (stat(path, &facts) != 0) {
    return "is not there";
  }
  void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (object == NULL) {
    return dlerror();
  }
  tinyops_app_model *model = &self->model;
  if (!find(object, "tinyops_model", &model->header) ||
      !find(object, "tinyops_model_init", &model->init) ||
      !find(object, "tinyops_model_push", &model->push) ||
      !find(object, "tinyops_model_prepare", &model->prepare) ||
      !find(object, "tinyops_model_invoke", &model->invoke)) {
    (void)dlclose(object);
    return "is no model";
  }
  /* A model that is no part of one is found out by its missing words. */
  const uint32_t *words = dlsym(object, "tinyops_model_part_words");
  self->object = object;
  self->device = facts.st_dev;
  self->number = facts.st_ino;
  self->words = words != NULL ? words : none;
  return NULL;
}

static const tinyops_model_part *part_in(const part_model *self) {
  const tinyops_model_part *part = (const tinyops_model_part *)(const void *)self->words;
  return part->magic == TINYOPS_MODEL_PART_MAGIC ? part : NULL;
}

uint32_t part_model_bytes(const part_model *self) {
  const tinyops_model_part *part = part_in(self);
  uint64_t bytes = (uint64_t)self->model.header->arena_bytes + 4u * TINYOPS_ARENA_ALIGN;
  if (part != NULL) {
    bytes += (uint64_t)part->held_bytes + part->gives_bytes;
  }
  return bytes <= UINT32_MAX / 2u ? (uint32_t)bytes : 0;
}

static void path_of(const part_models *self, const char *name, char *path) {
  (void)snprintf(path, PATH_MAX_BYTES, "%s/%s", self->folder, name);
}

static void model_path(const part_models *self, uint32_t slot, char *path) {
  (void)snprintf(path, PATH_MAX_BYTES, "%s/%c/model.so", self->folder, names[slot]);
}

/* Which slot a file names, or SLOTS. */
static uint32_t said(const part_models *self, const char *name) {
  char path[PATH_MAX_BYTES];
  uint32_t slot = 0;
  path_of(self, name, path);
  FILE *file = fopen(path, "r");
  const int byte = file != NULL ? fgetc(file) : EOF;
  if (file != NULL) {
    (void)fclose(file);
  }
  while (slot < SLOTS && names[slot] != byte) {
    slot++;
  }
  return slot;
}

/* The folder's own entries, too, are on the disk before anything relies on them. */
static void sync_folder(const part_models *self) {
  const int folder = open(self->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder >= 0) {
    (void)fsync(folder);
    (void)close(folder);
  }
}

static int say(const part_models *self, const char *name, uint32_t slot) {
  char path[PATH_MAX_BYTES], made[PATH_MAX_BYTES + 4];
  const char text[2] = {names[slot], '\n'};
  path_of(self, name, path);
  (void)snprintf(made, sizeof made, "%s.new", path);
  const int file = open(made, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  const int written =
      file >= 0 && write(file, text, sizeof text) == (ssize_t)sizeof text && fsync(file) == 0;
  if (file >= 0) {
    (void)close(file);
  }
  if (!written || rename(made, path) != 0) {
    return 0;
  }
  sync_folder(self);
  return 1;
}

static void unsay(const part_models *self, const char *name) {
  char path[PATH_MAX_BYTES];
  path_of(self, name, path);
  (void)unlink(path);
}

int part_models_stand(const part_models *self) { return say(self, "stands", self->active); }

static void close_model(part_model *self) {
  if (self->object != NULL) {
    (void)dlclose(self->object);
  }
  *self = (part_model){.object = NULL};
}

const char *part_models_open(part_models *self, const char *folder) {
  char path[PATH_MAX_BYTES];
  self->folder = folder;
  const uint32_t slot = said(self, "runs");
  self->active = slot < SLOTS ? slot : 0;
  model_path(self, self->active, path);
  return part_model_load(&self->models[self->active], path);
}

/* Loads what lies in the spare slot, unless it is that already. A new file there has another inode,
 * and is only seen once the old one is let go. */
static part_model *load_spare(part_models *self) {
  const uint32_t slot = self->active ^ 1u;
  part_model *spare = &self->models[slot];
  char path[PATH_MAX_BYTES];
  struct stat facts;
  model_path(self, slot, path);
  if (spare->object != NULL && stat(path, &facts) == 0 && facts.st_dev == spare->device &&
      facts.st_ino == spare->number) {
    return spare;
  }
  close_model(spare);
  return part_model_load(spare, path) == NULL ? spare : NULL;
}

static int32_t find_spare(void *context, tinyops_app *app, tinyops_chain_view *view) {
  part_models *self = (part_models *)context;
  const tinyops_port *port = app->board->port;
  const uint32_t now = port->now_ms(port->context), slot = self->active ^ 1u;
  if (self->looked_ms != 0 && now - self->looked_ms < LOOK_MS) {
    return 0;
  }
  self->looked_ms = now != 0 ? now : 1;
  const uint32_t wanted = said(self, "wanted");
  view->wished = wanted == slot;
  view->doubted = 0;
  memset(view->spare, 0, sizeof view->spare);
  if (wanted != slot && said(self, "before") != slot) {
    close_model(&self->models[slot]);
    return 0;
  }
  const part_model *spare = load_spare(self);
  const tinyops_model_part *part = spare != NULL ? part_in(spare) : NULL;
  if (part != NULL && part->position == view->position && part->parts == view->parts &&
      part_model_bytes(spare) != 0) {
    memcpy(view->spare, part->set, sizeof view->spare);
  }
  return 0;
}

/* Makes a slot's model the application's. Returns whether it runs. */
static int use(part_models *self, tinyops_app *app, uint32_t slot) {
  const part_model *model = &self->models[slot];
  const uint32_t bytes = part_model_bytes(model);
  void *arena = NULL;
  if (bytes == 0 || posix_memalign(&arena, TINYOPS_ARENA_ALIGN, bytes) != 0) {
    return 0;
  }
  free(self->board->arena);
  self->board->arena = arena;
  self->board->arena_bytes = bytes;
  self->board->loaded = model->model;
  self->place->words = model->words;
  tinyops_app_load(app);
  return app->state == TINYOPS_OK;
}

static void apply(void *context, tinyops_app *app) {
  part_models *self = (part_models *)context;
  const uint32_t old = self->active, slot = old ^ 1u;
  self->looked_ms = 0;
  unsay(self, "before");
  if (!use(self, app, slot) || !say(self, "runs", slot)) {
    (void)use(self, app, old);
    unsay(self, "wanted"); /* it would be tried for ever */
    return;
  }
  self->active = slot;
  unsay(self, "wanted");
  (void)say(self, "before", old);
}

const tinyops_chain_switching part_models_switching = {
    .decide = tinyops_chain_decide, .find_spare = find_spare, .apply = apply};
