/* The frames between parts of a chain, version 1: numbers and payload layouts.
 *
 * Written by tinyops/link, whose parts.py is their definition; never edited by hand. Names are
 * made as in link.h. */
#ifndef TINYOPS_PART_LINK_H
#define TINYOPS_PART_LINK_H

#define TINYOPS_PART_VERSION 1u
#define TINYOPS_PART_PIECES_MAX 512u
#define TINYOPS_PART_RANGES_MAX 16u
#define TINYOPS_PART_SET_BYTES 16u
#define TINYOPS_PART_NONE 255u

/* Frame types. */
#define TINYOPS_LINK_PART_STATE 0x44u
#define TINYOPS_LINK_PART_PIECE 0x45u
#define TINYOPS_LINK_PART_MISSING 0x46u
#define TINYOPS_LINK_PART_UNAVAILABLE 0x47u

/* How far a part can be counted on: it ... */
/* answers */
#define TINYOPS_PART_READY 0u
/* has just started, and its neighbours have not told yet who they are */
#define TINYOPS_PART_STARTING 1u
/* does not answer within the time limit */
#define TINYOPS_PART_LOST 2u
/* runs a part of another set than its neighbour */
#define TINYOPS_PART_MIXED 3u
/* has no model image that can run in its place */
#define TINYOPS_PART_IMAGE 4u
/* was sent a tensor that did not get through within the time limit */
#define TINYOPS_PART_STALLED 5u
/* has a model that fails */
#define TINYOPS_PART_FAILED 6u
/* is not where it belongs: another place, another number of parts, another version */
#define TINYOPS_PART_OTHER 7u
/* is still at the inference before */
#define TINYOPS_PART_BUSY 8u

/* of these frames */
#define TINYOPS_LINK_PART_STATE_VERSION_AT 0u
/* of this part in its chain, from 0 */
#define TINYOPS_LINK_PART_STATE_POSITION_AT 1u
/* of the chain */
#define TINYOPS_LINK_PART_STATE_PARTS_AT 2u
/* as seen from the listener: of this part and of all beyond it; see PartState */
#define TINYOPS_LINK_PART_STATE_STATE_AT 3u
/* the part that this is about; 255: none */
#define TINYOPS_LINK_PART_STATE_PART_AT 4u
/* of the model slot, as in HELLO */
#define TINYOPS_LINK_PART_STATE_STATUS_AT 5u
/* of the newest inference that this part has begun, modulo 2^32 */
#define TINYOPS_LINK_PART_STATE_NUMBER_AT 6u
/* set that it runs; zeros: none */
#define TINYOPS_LINK_PART_STATE_RUNNING_AT 10u
/* set that it has proven and holds ready; zeros: none */
#define TINYOPS_LINK_PART_STATE_SPARE_AT 26u
/* set that every part from the first to this one runs or holds ready */
#define TINYOPS_LINK_PART_STATE_OFFERED_AT 42u
/* set that the last part runs, as the parts after this one tell */
#define TINYOPS_LINK_PART_STATE_COMMITTED_AT 58u
/* another one that they could all run, less wanted than `offered` */
#define TINYOPS_LINK_PART_STATE_ALSO_AT 74u
/* 1: the first part was asked to run `offered` */
#define TINYOPS_LINK_PART_STATE_WISHED_AT 90u
#define TINYOPS_LINK_PART_STATE_SIZE 91u

/* of the piece in its message */
#define TINYOPS_LINK_PART_PIECE_INDEX_AT 0u
/* then the bytes, behind the last ones the CRC-32; none: is the message whole? */
#define TINYOPS_LINK_PART_PIECE_SIZE 2u

/* then first piece and count, 16 bits each, of every range; none: whole */
#define TINYOPS_LINK_PART_MISSING_SIZE 0u

/* of the inference that has no result */
#define TINYOPS_LINK_PART_UNAVAILABLE_NUMBER_AT 0u
/* the part that this is about; 255: none */
#define TINYOPS_LINK_PART_UNAVAILABLE_PART_AT 4u
/* why; see PartState */
#define TINYOPS_LINK_PART_UNAVAILABLE_STATE_AT 5u
#define TINYOPS_LINK_PART_UNAVAILABLE_SIZE 6u

#endif
