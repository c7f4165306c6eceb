/* Reasons in words; for people at the end of a serial line. */
#include "tinyops/fetch/cycle.h"

static const char *stream_reason(int32_t reason) {
  switch (reason) {
    case TINYOPS_STREAM_ENDED:
    case TINYOPS_STREAM_LOST:
      return "the connection was lost, or nobody listens there";
    case TINYOPS_STREAM_NO_LINK:
      return "the network gives this device no address";
    case TINYOPS_STREAM_NAME:
      return "no name server knows the host";
    case TINYOPS_STREAM_ROOT:
      return "no root that this device trusts vouches for the server";
    case TINYOPS_STREAM_HOST:
      return "the server's certificate is another host's";
    case TINYOPS_STREAM_EXPIRED:
      return "a certificate of the server has expired";
    case TINYOPS_STREAM_EARLY:
      return "a certificate of the server is not valid yet";
    case TINYOPS_STREAM_REFUSED:
      return "the server's certificates are not made for this";
    case TINYOPS_STREAM_TLS:
      return "the server does not speak TLS 1.2 as this device does";
    case TINYOPS_STREAM_MEMORY:
      return "no memory is left for the connection";
    case TINYOPS_STREAM_NO_ROOTS:
      return "this device has no roots to trust";
    default:
      return "this device has no randomness";
  }
}

static const char *slots_reason(int32_t status) {
  switch (status) {
    case TINYOPS_SLOTS_ERR_BYTES:
      return "the model is larger than its slot";
    case TINYOPS_SLOTS_ERR_IMAGE:
    case TINYOPS_SLOTS_ERR_KIND:
      return "the file is no image of a model";
    case TINYOPS_SLOTS_ERR_DIGEST:
      return "the image's content is not what its digest says";
    case TINYOPS_SLOTS_ERR_SIGNATURE:
      return "no key that this device trusts signed the image";
    case TINYOPS_SLOTS_ERR_KEYS:
      return "this device trusts no key: it was not enrolled";
    case TINYOPS_SLOTS_ERR_BOARD:
      return "the image is for another board";
    case TINYOPS_SLOTS_ERR_CONTRACT:
      return "the image is for another contract";
    case TINYOPS_SLOTS_ERR_COUNTER:
      return "the image's security counter is lower than the device's";
    case TINYOPS_SLOTS_ERR_FLASH:
      return "the flash refused";
    default:
      return "the slot cannot take the image now";
  }
}

static const char *entry_reason(int32_t reason) {
  switch (reason) {
    case TINYOPS_FETCH_ERR_ENTRY:
      return "what the server sent is no signed entry";
    case TINYOPS_FETCH_ERR_SIGNATURE:
      return "no key that this device trusts signed the entry";
    case TINYOPS_FETCH_ERR_SCHEMA:
      return "the entry is for newer firmware";
    case TINYOPS_FETCH_ERR_PROJECT:
      return "the entry is another project's";
    case TINYOPS_FETCH_ERR_FLEET:
      return "the entry is another fleet's";
    case TINYOPS_FETCH_ERR_BOARD:
      return "the entry is another board's";
    case TINYOPS_FETCH_ERR_VERSION:
      return "the entry is older than one that was accepted";
    case TINYOPS_FETCH_ERR_COUNTER:
      return "the entry's security counter is lower than the device's";
    case TINYOPS_FETCH_ERR_EXPIRED:
      return "the entry has expired";
    case TINYOPS_FETCH_ERR_CONTRACT:
      return "the entry's model is for another contract";
    default:
      return "the entry's model is no image for a slot";
  }
}

static const char *answer_reason(int32_t reason) {
  switch (reason) {
    case TINYOPS_FETCH_ERR_ENDPOINT:
      return "this device was told no https address of releases";
    case TINYOPS_FETCH_ERR_TIME:
      return "the server is too slow";
    case TINYOPS_FETCH_ERR_HTTP:
      return "the answer is not HTTP as it should be";
    case TINYOPS_FETCH_ERR_STATUS:
      return "the server refused";
    case TINYOPS_FETCH_ERR_REDIRECTS:
      return "the server redirects without end";
    case TINYOPS_FETCH_ERR_PLACE:
      return "the server redirects to what is no https URL";
    case TINYOPS_FETCH_ERR_LENGTH:
      return "the file is longer or shorter than it should be";
    case TINYOPS_FETCH_ERR_DIGEST:
      return "the file is not the one that the entry names";
    case TINYOPS_FETCH_ERR_BEFORE:
      return "the file was refused before";
    case TINYOPS_FETCH_ERR_TRIAL:
      return "the model did not pass its trial";
    case TINYOPS_FETCH_ERR_PROGRESS:
      return "what the server sent does not say how far the rollout is";
    case TINYOPS_FETCH_ERR_OLDER:
      return "an older word about the rollout than one that was heard";
    case TINYOPS_FETCH_ERR_UNIT:
      return "the model comes in waves, and this device has no id";
    default:
      return "the answer ended before its end";
  }
}

const char *tinyops_fetch_reason(int32_t reason) {
  if (reason == TINYOPS_FETCH_OK) {
    return "nothing is wrong";
  }
  if (reason > TINYOPS_FETCH_SLOTS) {
    return stream_reason(reason);
  }
  if (reason > TINYOPS_FETCH_ERR_ENDPOINT) {
    return slots_reason(reason - TINYOPS_FETCH_SLOTS);
  }
  const int32_t of_entry = reason <= TINYOPS_FETCH_ERR_ENTRY && reason >= TINYOPS_FETCH_ERR_KIND;
  return of_entry ? entry_reason(reason) : answer_reason(reason);
}
