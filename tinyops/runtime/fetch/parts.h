/* What the files of the cycle share. */
#ifndef TINYOPS_FETCH_PARTS_H
#define TINYOPS_FETCH_PARTS_H

#include "tinyops/fetch/cycle.h"

enum {
  TINYOPS_FETCH_WAITS = 0,
  TINYOPS_FETCH_OPENS,
  TINYOPS_FETCH_SENDS,
  TINYOPS_FETCH_READS,
  TINYOPS_FETCH_TRIES,
  TINYOPS_FETCH_PAUSES /* before the next attempt at the same image */
};

/* Tells the owner. */
void tinyops_fetch_tell(tinyops_fetch *fetch, tinyops_fetched event, int32_t reason);

/* The poll is over. */
void tinyops_fetch_settle(tinyops_fetch *fetch, tinyops_fetched event, int32_t reason);
void tinyops_fetch_fail(tinyops_fetch *fetch, int32_t reason);

/* The same, for a negative status of the slot library: for good where another try changes nothing.
 */
void tinyops_fetch_end(tinyops_fetch *fetch, int32_t status);

/* Asks for a file of a release, `tag` null: of the newest. */
void tinyops_fetch_ask(tinyops_fetch *fetch, tinyops_json_text tag, tinyops_json_text name,
                       uint32_t from);

/* The entry is whole: judges it, and begins to fetch its model where that is another. */
void tinyops_fetch_judge(tinyops_fetch *fetch);

/* Begins to fetch the model of fetch->entry, where it is another than the one that runs. */
void tinyops_fetch_pursue(tinyops_fetch *fetch);

/* Whether a slot holds the file that an entry names. */
int32_t tinyops_fetch_holds(const tinyops_fetch *fetch, const tinyops_entry *entry, uint32_t slot);

/* What of a content a device never takes, whoever signed it: 0 or why not. */
int32_t tinyops_fetch_content_fault(const tinyops_fetch *fetch, const tinyops_entry *content);

/* An entry with a rollout was read: keeps of it what outlives its bytes, and asks. */
void tinyops_fetch_begin_waves(tinyops_fetch *fetch);

/* Asks how far the rollout of the entry is. */
void tinyops_fetch_ask_progress(tinyops_fetch *fetch);

/* The answer is whole: chooses what this device takes. */
void tinyops_fetch_follow(tinyops_fetch *fetch);

/* Sends the request to fetch->url. */
void tinyops_fetch_go(tinyops_fetch *fetch);

/* Begins, or goes on with, the model's image. */
void tinyops_fetch_image(tinyops_fetch *fetch);

/* Bytes of the image. Returns 0 or negative: the poll is over. */
int32_t tinyops_fetch_store(tinyops_fetch *fetch, const uint8_t *bytes, uint32_t count);

/* The image is whole: verifies it and puts it on trial. */
void tinyops_fetch_finish(tinyops_fetch *fetch);

/* Looks after a trial. */
void tinyops_fetch_watch(tinyops_fetch *fetch);

#endif
