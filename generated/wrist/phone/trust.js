// Whose signatures this page takes: public keys by id, and how many of them must have signed. They join
// when the page is built; in generated/ there are none.

export const TRUST = {
  "keys": {},
  "threshold": 1
};
