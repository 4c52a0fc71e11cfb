/** The part of the WebAssembly API used here; Node's type definitions leave it out. */
declare const WebAssembly: {
  readonly Memory: new (size: { initial: number; maximum: number }) => WasmMemory;
};
interface WasmMemory {
  readonly buffer: ArrayBuffer;
  grow(pages: number): number;
}

const PAGE = 65_536;
const MAXIMUM_PAGES = 65_536;

/**
 * Zero-filled memory that grows in place: nothing is copied and the slack is at most a sixteenth. Growing detaches
 * `buffer`, so views over it have to be made anew; 4 GiB at most.
 */
export class GrowingMemory {
  readonly #memory = new WebAssembly.Memory({ initial: 1, maximum: MAXIMUM_PAGES });
  #pages = 1;

  get buffer(): ArrayBuffer {
    return this.#memory.buffer;
  }

  get byteLength(): number {
    return this.#pages * PAGE;
  }

  /** Replaces the beginning with these bytes. */
  load(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    new Uint8Array(this.buffer).set(bytes);
  }

  /** Makes room for this many bytes. True where the memory grew and views are stale. Throws a RangeError beyond 4 GiB. */
  reserve(bytes: number): boolean {
    const wanted = Math.ceil(bytes / PAGE);
    if (wanted <= this.#pages) return false;
    const pages = Math.min(MAXIMUM_PAGES, Math.max(wanted, this.#pages + (this.#pages >>> 4)));
    this.#memory.grow(pages - this.#pages);
    this.#pages = pages;
    return true;
  }
}
