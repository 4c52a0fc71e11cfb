/** The parent of a text's first token. */
export const ROOT = -1;

/**
 * The evaluated tokens of one KV cache, as a tree: a node is a token after a path of tokens, and its number is
 * the cache slot that holds its keys and values. Nodes live while somebody holds them or a descendant lives.
 */
export class TokenTree {
  /** Slots in use or free, all below this number. */
  size = 0;
  parent = new Int32Array(INITIAL);
  token = new Int32Array(INITIAL);
  /** Position of the token in its text, from 0. */
  depth = new Int32Array(INITIAL);
  holders = new Int32Array(INITIAL);
  readonly #listeners: ((node: number) => void)[] = [];
  #firstChild = new Int32Array(INITIAL).fill(ROOT);
  #nextSibling = new Int32Array(INITIAL).fill(ROOT);
  #firstRoot = ROOT;
  #free: number[] = [];
  #nFree = 0;

  /** The listener hears of every node that ceases to exist. */
  onFree(listener: (node: number) => void): void {
    this.#listeners.push(listener);
  }

  get nLive(): number {
    return this.size - this.#nFree;
  }

  /** A new node with one holder. */
  add(parent: number, token: number): number {
    const node = this.#nFree > 0 ? this.#free[--this.#nFree] : this.size++;
    if (node >= this.parent.length) this.#grow();
    this.parent[node] = parent;
    this.token[node] = token;
    this.depth[node] = parent === ROOT ? 0 : this.depth[parent] + 1;
    this.holders[node] = 1;
    this.#firstChild[node] = ROOT;
    this.#nextSibling[node] = this.#childrenOf(parent);
    this.#setChildren(parent, node);
    return node;
  }

  hold(node: number): void {
    if (node !== ROOT) this.holders[node]++;
  }

  release(node: number): void {
    if (node === ROOT) return;
    this.holders[node]--;
    // A path dies from its tip towards the root, as far as nothing else needs it.
    for (let at = node; at !== ROOT && this.holders[at] === 0 && this.#firstChild[at] === ROOT; ) {
      const parent = this.parent[at];
      this.#unlink(at, parent);
      if (this.#nFree < this.#free.length) this.#free[this.#nFree] = at;
      else this.#free.push(at);
      this.#nFree++;
      for (const listener of this.#listeners) listener(at);
      at = parent;
    }
  }

  /** The child of `parent` (or ROOT) that is this token, added last; -1 where there is none. */
  find(parent: number, token: number): number {
    let node = this.#childrenOf(parent);
    while (node !== ROOT && this.token[node] !== token) node = this.#nextSibling[node];
    return node;
  }

  #childrenOf(parent: number): number {
    return parent === ROOT ? this.#firstRoot : this.#firstChild[parent];
  }

  #setChildren(parent: number, node: number): void {
    if (parent === ROOT) this.#firstRoot = node;
    else this.#firstChild[parent] = node;
  }

  #unlink(node: number, parent: number): void {
    const next = this.#nextSibling[node];
    let at = this.#childrenOf(parent);
    if (at === node) {
      this.#setChildren(parent, next);
      return;
    }
    while (this.#nextSibling[at] !== node) at = this.#nextSibling[at];
    this.#nextSibling[at] = next;
  }

  #grow(): void {
    const grown = (old: Int32Array<ArrayBuffer>, fill: number) => {
      const larger = new Int32Array(old.length * 2).fill(fill, old.length);
      larger.set(old);
      return larger;
    };
    this.parent = grown(this.parent, ROOT);
    this.token = grown(this.token, 0);
    this.depth = grown(this.depth, 0);
    this.holders = grown(this.holders, 0);
    this.#firstChild = grown(this.#firstChild, ROOT);
    this.#nextSibling = grown(this.#nextSibling, ROOT);
  }
}

const INITIAL = 256;
