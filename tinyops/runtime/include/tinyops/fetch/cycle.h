/* A device that updates its model by itself: polls its signed entry, fetches what that names, puts
 * it on trial and confirms it.
 *
 *   WAITS -> OPENS -> SENDS -> READS -> (a redirect: OPENS) -> an entry -> OPENS ... READS -> an
 * image ^                                                                                        |
 *     +------ confirmed, reverted, refused, unchanged, or to be tried again ------ TRIAL <-----+
 *
 * Each poll does one step and returns. Every answer is bounded: redirects, length, and time, also
 * for a server that sends a byte now and then. An image goes on where it stopped, over other
 * connections and other links: each attempt begins at the release's own address, since the links
 * that this redirects to expire. What was refused for good is not fetched again.
 *
 * An entry whose content comes in waves leads to one request more, for the document that says how
 * far its rollout is; where that is not to be had, the device keeps what it runs.
 *
 * The caller owns all memory; of the slots only the model's are written. */
#ifndef TINYOPS_FETCH_CYCLE_H
#define TINYOPS_FETCH_CYCLE_H

#include <stdint.h>

#include "tinyops/boot.h"
#include "tinyops/fetch/clock.h"
#include "tinyops/fetch/entry.h"
#include "tinyops/fetch/http.h"
#include "tinyops/fetch/rollout.h"
#include "tinyops/fetch/stream.h"
#include "tinyops/fetch/url.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
  TINYOPS_FETCH_REDIRECTS_MAX = 5,
  TINYOPS_FETCH_ATTEMPTS_MAX = 8,  /* of one image without a byte gained */
  TINYOPS_FETCH_OPEN_MS = 60000,   /* name, connection, handshake */
  TINYOPS_FETCH_HEAD_MS = 30000,   /* from the request to the end of the answer's head */
  TINYOPS_FETCH_WINDOW_MS = 10000, /* in which a body brings so much, or is given up: */
  TINYOPS_FETCH_WINDOW_BYTES = 1024,
  TINYOPS_FETCH_DRAIN_MAX = 4096, /* of a body nobody wants, else its connection is closed */
  TINYOPS_FETCH_PIECE_MIN = 256,  /* bytes of the buffer that travels in */
  TINYOPS_FETCH_TRIES_MAX = 3,    /* a trial may end by a power cut, but not always */
  TINYOPS_FETCH_KEPT_BYTES = 2 * (TINYOPS_ENTRY_TAG_MAX + TINYOPS_ENTRY_ASSET_MAX) +
                             TINYOPS_ENTRY_NAME_MAX + TINYOPS_ROLLOUT_ADDRESS_MAX
};

/* Why a poll ended as it did. A tinyops_stream_status stands for itself (-1 to -99), a
 * tinyops_slots_status with TINYOPS_FETCH_SLOTS added; these are the cycle's own. */
#define TINYOPS_FETCH_SLOTS (-100)
typedef enum {
  TINYOPS_FETCH_OK = 0,
  TINYOPS_FETCH_ERR_ENDPOINT = -201,  /* this device was told no https address of releases */
  TINYOPS_FETCH_ERR_TIME = -202,      /* the server was too slow */
  TINYOPS_FETCH_ERR_HTTP = -203,      /* it does not speak HTTP/1.1 as it should */
  TINYOPS_FETCH_ERR_STATUS = -204,    /* it answered with another status; see report.status */
  TINYOPS_FETCH_ERR_REDIRECTS = -205, /* it redirects without end */
  TINYOPS_FETCH_ERR_PLACE = -206,     /* it redirects to what is no https URL */
  TINYOPS_FETCH_ERR_LENGTH = -207,    /* more or fewer bytes than the entry says */
  TINYOPS_FETCH_ERR_ENTRY = -208,     /* what it sends is no signed entry */
  TINYOPS_FETCH_ERR_SIGNATURE = -209, /* no key that this device trusts signed the entry */
  TINYOPS_FETCH_ERR_SCHEMA = -210,    /* an entry for newer firmware */
  TINYOPS_FETCH_ERR_PROJECT = -211,
  TINYOPS_FETCH_ERR_FLEET = -212,
  TINYOPS_FETCH_ERR_BOARD = -213,
  TINYOPS_FETCH_ERR_VERSION = -214,  /* an older release than one that was accepted */
  TINYOPS_FETCH_ERR_COUNTER = -215,  /* a lower security counter than the device's */
  TINYOPS_FETCH_ERR_EXPIRED = -216,  /* the entry's time is over */
  TINYOPS_FETCH_ERR_CONTRACT = -217, /* its model is for another firmware */
  TINYOPS_FETCH_ERR_KIND = -218,     /* its model is no image */
  TINYOPS_FETCH_ERR_DIGEST = -219,   /* the file's bytes are not those that the entry names */
  TINYOPS_FETCH_ERR_TRIAL = -220,    /* it did not pass its trial: reverted; see report.status */
  TINYOPS_FETCH_ERR_CUT = -221,      /* the answer ended before its end */
  TINYOPS_FETCH_ERR_BEFORE = -222,   /* the entry still names a file that was refused */
  TINYOPS_FETCH_ERR_PROGRESS = -223, /* what it sends does not say how far the rollout is */
  TINYOPS_FETCH_ERR_OLDER = -224,    /* an older word about it than one that was heard */
  TINYOPS_FETCH_ERR_UNIT = -225      /* this device has no id, and so no place in a rollout */
} tinyops_fetch_status;

typedef enum {
  TINYOPS_FETCHED_UNCHANGED = 1,  /* the entry is the one that is known: answered with 304 */
  TINYOPS_FETCHED_UP_TO_DATE = 2, /* another entry; its model runs already */
  TINYOPS_FETCHED_OFFER = 3,      /* a model that is fetched now, from `bytes` on */
  TINYOPS_FETCHED_RESUMES = 4,    /* goes on at `bytes`, `reason` says why it stopped */
  TINYOPS_FETCHED_TRIAL = 5,      /* verified, and pending or on trial */
  TINYOPS_FETCHED_CONFIRMED = 6,  /* it is the device's model */
  TINYOPS_FETCHED_FAILED = 7,     /* `reason`; tried again later */
  TINYOPS_FETCHED_REFUSED = 8,    /* `reason`; not again until another entry names something else */
  TINYOPS_FETCHED_WAITS = 9       /* a rollout wants nothing of it now: it keeps what it runs */
} tinyops_fetched;

/* What the device tells of itself. */
typedef struct {
  uint32_t event;    /* a tinyops_fetched */
  int32_t reason;    /* a tinyops_fetch_status, or one of the two kinds above */
  uint32_t status;   /* of HTTP, or a tinyops_trial_outcome, where the reason says so */
  uint32_t version;  /* of the newest release that was accepted */
  uint32_t bytes;    /* of the model, so far */
  uint32_t total;    /* of the model */
  uint32_t received; /* bytes of answers in this poll, heads and bodies */
  const char *host;  /* that was spoken to last */
} tinyops_fetch_report;

/* What a reset must not take from it. */
typedef struct {
  uint32_t version;                          /* never falls */
  uint32_t tries;                            /* trials of that file; see TINYOPS_FETCH_TRIES_MAX */
  uint8_t tried[TINYOPS_ENTRY_DIGEST_BYTES]; /* SHA-256 of a model's file that did not stay */
  uint32_t sequence;                         /* of the newest progress; never falls */
} tinyops_fetch_memory;

/* Everything pointed to outlives the cycle. */
typedef struct {
  const tinyops_stream *stream;
  const tinyops_boot_table *table;
  tinyops_slots *slots; /* opened; with this device's keys */
  tinyops_clock *clock;
  const char *endpoint; /* https URL below which releases lie; as GitHub has them when it ends in
                           "/releases", else as a folder has them */
  const char *project;  /* null: whichever the keys vouch for */
  const char *fleet;
  const char *board;
  const char *unit;        /* this device's id, or its chain's; null: it takes part in no rollout */
  const uint8_t *contract; /* 32 bytes */
  uint8_t *entry;          /* TINYOPS_ENTRY_MAX bytes: for the entry, then for the progress */
  uint8_t *piece;          /* piece_bytes, what one step moves */
  uint32_t piece_bytes;
  uint32_t interval_ms; /* between polls */
  uint32_t retry_ms; /* after a failure; doubled with every one that follows, up to interval_ms */
  uint32_t spread;   /* any number of the device's own: devices poll at different moments */
  void *context;     /* of these: */
  /* While a model runs on trial: 1 when it does well, 0 to be asked again, negative when it must
   * go. */
  int32_t (*trial)(void *context);
  /* Keeps the memory where a reset leaves it. */
  void (*remember)(void *context, const tinyops_fetch_memory *memory);
  /* Is told what happened. May be null. */
  void (*report)(void *context, const tinyops_fetch_report *report);
} tinyops_fetch_config;

/* State; the caller provides the memory and leaves it alone. */
typedef struct {
  const tinyops_fetch_config *config;
  tinyops_fetch_memory memory;
  tinyops_fetch_report report;
  uint8_t phase;
  uint8_t wants_image;    /* else the entry, */
  uint8_t wants_progress; /* or how far its rollout is */
  uint8_t judged;         /* the answer's head */
  uint8_t draining;       /* a body that nobody needs */
  uint8_t redirects, attempts, failures;
  uint8_t target; /* slot that is written */
  uint32_t port;  /* connected to; 0: nobody */
  uint32_t due_ms, since_ms, window_bytes;
  uint32_t offset;   /* into the request */
  uint32_t skip;     /* bytes of the body that are there already */
  uint32_t gathered; /* of the entry, or of a body that is drained */
  char connected[TINYOPS_URL_HOST_MAX + 1];
  char etag[TINYOPS_HTTP_ETAG_MAX + 1]; /* of the entry that is settled */
  char progress_etag[TINYOPS_HTTP_ETAG_MAX + 1];
  tinyops_entry entry;                    /* with the content that this device takes */
  tinyops_entry offered;                  /* as it was read */
  tinyops_rollout rollout;                /* its id 0: none */
  tinyops_progress progress;              /* its rollout 0: none is known */
  uint8_t kept[TINYOPS_FETCH_KEPT_BYTES]; /* text of the entry that outlives its bytes */
  tinyops_http http;
  tinyops_url url;
} tinyops_fetch;

/* Prepares the cycle: the first poll is due at once. A model that is on trial already is watched
 * first. */
void tinyops_fetch_open(tinyops_fetch *fetch, const tinyops_fetch_config *config,
                        const tinyops_fetch_memory *memory);

/* One step. Returns 1 when there was something to do, 0 when it waits. */
int32_t tinyops_fetch_poll(tinyops_fetch *fetch);

/* Polls at once, if it waits. */
void tinyops_fetch_now(tinyops_fetch *fetch);

/* A few words for a reason, such as "a certificate of the server has expired". */
const char *tinyops_fetch_reason(int32_t reason);

#ifdef __cplusplus
}
#endif

#endif
