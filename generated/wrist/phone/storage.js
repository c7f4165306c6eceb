// What the page remembers: one database a page, whose changes are made together or not at all.

const STORE = "kept";

export class Storage {
  static open(name) {
    return new Promise((resolve, reject) => {
      const asked = indexedDB.open(name, 1);
      asked.onupgradeneeded = () => asked.result.createObjectStore(STORE);
      asked.onsuccess = () => resolve(new Storage(asked.result));
      asked.onerror = () => reject(asked.error);
    });
  }

  constructor(database) {
    this.database = database;
  }

  get(key) {
    const asked = this.database.transaction(STORE).objectStore(STORE).get(key);
    return new Promise((resolve, reject) => {
      asked.onsuccess = () => resolve(asked.result);
      asked.onerror = () => reject(asked.error);
    });
  }

  // Writes several values at once; resolves when they are on the disk.
  put(values) {
    const change = this.database.transaction(STORE, "readwrite", { durability: "strict" });
    for (const [key, value] of Object.entries(values)) change.objectStore(STORE).put(value, key);
    return new Promise((resolve, reject) => {
      change.oncomplete = () => resolve();
      change.onabort = () => reject(change.error ?? new Error("the browser refused to store it"));
    });
  }
}
