#include "tinyops/kernels/rows.h"

#include <string.h>

static int32_t smaller(int32_t a, int32_t b) { return a < b ? a : b; }

static int32_t larger(int32_t a, int32_t b) { return a > b ? a : b; }

/* From low to high addresses: `to` lies before `from` where they overlap. */
static void copy_rows(const uint8_t *from, int32_t bytes, uint8_t *to) {
  int32_t i = 0;
  for (; i + 16 <= bytes; i += 16) {
    uint32_t words[4];
    memcpy(words, from + i, sizeof(words));
    memcpy(to + i, words, sizeof(words));
  }
  for (; i < bytes; ++i) {
    to[i] = from[i];
  }
}

void tinyops_rows_reset(const tinyops_rows_line *lines, tinyops_rows_state *states, int32_t count,
                        int32_t whole) {
  for (int32_t i = 0; i < count; ++i) {
    states[i].origin = 0;
    states[i].end = (int16_t)(i < whole ? lines[i].height : 0);
    states[i].needed = 0;
    states[i].reserved = 0;
  }
}

int32_t tinyops_rows_due(const tinyops_rows_line *lines, const tinyops_rows_state *states,
                         int32_t first, int32_t last) {
  if (states->end < lines->height && states->end - states->needed < lines->room) {
    return 0;
  }
  for (int32_t i = first; i <= last; ++i) {
    if (states[i].end < lines[i].height) {
      return 1;
    }
  }
  return 0;
}

uint8_t *tinyops_rows_add(const tinyops_rows_line *line, tinyops_rows_state *state,
                          uint8_t *arena) {
  uint8_t *const rows = arena + line->rows;
  if (state->origin < state->needed) {
    copy_rows(rows + (state->needed - state->origin) * line->row_bytes,
              (state->end - state->needed) * line->row_bytes, rows);
    state->origin = state->needed;
  }
  /* A caller that goes on where nothing reads loses rows, and nothing else. */
  const int32_t at = smaller(state->end - state->origin, line->room - 1);
  state->end = (int16_t)(state->end + 1);
  return rows + at * line->row_bytes;
}

void tinyops_rows_take(const tinyops_rows_line *line, tinyops_rows_state *state, uint8_t *arena,
                       const uint8_t *row) {
  copy_rows(row, line->row_bytes, tinyops_rows_add(line, state, arena));
}

/* Rows that the inputs allow. */
static int32_t possible(const tinyops_rows_line *lines, const tinyops_rows_state *states,
                        const tinyops_rows_step *step) {
  const int32_t done = states[step->output].end;
  int32_t count = smaller(step->most, lines[step->output].height - done);
  for (int32_t i = 0; i < TINYOPS_ROWS_INPUTS && step->inputs[i] >= 0; ++i) {
    const int32_t end = states[step->inputs[i]].end;
    if (end < lines[step->inputs[i]].height) { /* behind the last row lies padding */
      const int32_t last = end + step->pad_top - step->reach;
      count = smaller(count, last < 0 ? 0 : last / step->stride + 1 - done);
    }
  }
  return larger(count, 0);
}

/* Copies aside what is needed from row `needed` on. */
static void keep(const tinyops_rows_line *line, tinyops_rows_state *state, uint8_t *arena) {
  if (line->kept >= 0) {
    copy_rows(arena + line->rows + (state->needed - state->origin) * line->row_bytes,
              (state->end - state->needed) * line->row_bytes, arena + line->kept);
    state->origin = state->needed;
  }
}

int32_t tinyops_rows_begin(const tinyops_rows_line *lines, tinyops_rows_state *states,
                           const tinyops_rows_step *step, uint8_t *arena,
                           tinyops_rows_strip *strip) {
  const tinyops_rows_line *const out = &lines[step->output];
  tinyops_rows_state *const made = &states[step->output];
  const int32_t count = possible(lines, states, step);
  const int32_t top = made->end * step->stride - step->pad_top;
  const int32_t from = larger(top, 0);
  const int32_t is_done = made->end + count == out->height;
  for (int32_t i = 0; i < TINYOPS_ROWS_INPUTS && step->inputs[i] >= 0; ++i) {
    const tinyops_rows_line *const in = &lines[step->inputs[i]];
    tinyops_rows_state *const held = &states[step->inputs[i]];
    const int32_t next = is_done ? held->end : larger(top + count * step->stride, 0);
    const int32_t needed = smaller(next, held->end);
    held->needed = (int16_t)((step->opens >> i & 1) ? needed : smaller(held->needed, needed));
    strip->input[i] = arena + in->rows + (from - held->origin) * in->row_bytes;
    strip->in_h = held->end - from;
    if (step->closes >> i & 1) {
      keep(in, held, arena);
    }
  }
  const int32_t held_bytes = (made->end - made->origin) * out->row_bytes;
  if (out->kept >= 0) {
    copy_rows(arena + out->kept, held_bytes, arena + out->rows);
  }
  strip->output = arena + out->rows + held_bytes;
  strip->out_h = count;
  strip->pad_top = from - top;
  made->end = (int16_t)(made->end + count);
  return count > 0;
}
