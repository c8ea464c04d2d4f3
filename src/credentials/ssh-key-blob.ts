// Reads the binary form of SSH's wire (RFC 4251, 5): length-prefixed strings and numbers, nothing shorter or longer than said.
// It knows nothing of keys.

/** The blob does not hold what it says. */
export class UnsoundBlob extends Error {
  constructor() {
    super('the blob is not well-formed');
    this.name = 'UnsoundBlob';
  }
}

export class BlobReader {
  readonly #blob: Buffer;
  #at = 0;

  constructor(blob: Buffer) {
    this.#blob = blob;
  }

  /** The next string, whatever its length. */
  string(): Buffer {
    if (this.#at + 4 > this.#blob.length) throw new UnsoundBlob();
    const from = this.#at + 4;
    const to = from + this.#blob.readUInt32BE(this.#at);
    if (to > this.#blob.length) throw new UnsoundBlob();
    this.#at = to;
    return this.#blob.subarray(from, to);
  }

  /** The next string, which must have this many bytes. */
  bytes(length: number): Buffer {
    const value = this.string();
    if (value.length !== length) throw new UnsoundBlob();
    return value;
  }

  /** The next number, above zero and in its shortest form; without the zero byte that only says "not negative". */
  positive(): Buffer {
    const value = this.string();
    if (value.length === 0 || value[0]! >= 0x80) throw new UnsoundBlob();
    if (value[0] !== 0) return value;
    // A leading zero stands only before a byte that would read as a sign.
    if (value.length === 1 || value[1]! < 0x80) throw new UnsoundBlob();
    return value.subarray(1);
  }

  /** Nothing may follow. */
  end(): void {
    if (this.#at !== this.#blob.length) throw new UnsoundBlob();
  }
}
