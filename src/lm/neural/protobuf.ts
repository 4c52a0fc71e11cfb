/**
 * The wire format of Protocol Buffers (protobuf.dev/programming-guides/encoding), as far as ONNX files need it.
 * Messages are kept as parts, so that tensors of hundreds of megabytes are never copied.
 */
export class MessageWriter {
  readonly parts: Uint8Array[] = [];
  length = 0;

  integer(field: number, value: number | bigint): this {
    return this.#append(varint(BigInt(field << 3)), varint(BigInt(value)));
  }

  float(field: number, value: number): this {
    const bytes = Buffer.alloc(4);
    bytes.writeFloatLE(value);
    return this.#append(varint(BigInt((field << 3) | 5)), bytes);
  }

  bytes(field: number, value: Uint8Array): this {
    return this.#append(varint(BigInt((field << 3) | 2)), varint(BigInt(value.length)), value);
  }

  text(field: number, value: string): this {
    return this.bytes(field, Buffer.from(value, 'utf8'));
  }

  message(field: number, value: MessageWriter): this {
    return this.#append(varint(BigInt((field << 3) | 2)), varint(BigInt(value.length)), ...value.parts);
  }

  /** A field as it stands in another message. */
  raw(field: Uint8Array): this {
    return this.#append(field);
  }

  #append(...parts: Uint8Array[]): this {
    for (const part of parts) {
      this.parts.push(part);
      this.length += part.length;
    }
    return this;
  }
}

/** One field of an encoded message: the number of an integer field, the bytes of any other; `raw` is all of it. */
export type Field =
  | { readonly number: number; readonly raw: Uint8Array; readonly integer: bigint }
  | { readonly number: number; readonly raw: Uint8Array; readonly bytes: Uint8Array };

/** @throws RangeError for bytes that are no message */
export function* readFields(message: Uint8Array): Generator<Field> {
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  let at = 0;
  const next = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = view.getUint8(at++);
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
    }
  };
  while (at < message.length) {
    const start = at;
    const key = Number(next());
    const number = key >> 3;
    const wireType = key & 7;
    if (wireType === 0) {
      const integer = next();
      yield { number, integer, raw: message.subarray(start, at) };
      continue;
    }
    const length = wireType === 1 ? 8 : wireType === 5 ? 4 : Number(next());
    if (wireType > 2 && wireType !== 5) throw new RangeError(`wire type ${wireType} is not known`);
    if (at + length > message.length) throw new RangeError('the message ends inside a field');
    const bytes = message.subarray(at, at + length);
    at += length;
    yield { number, bytes, raw: message.subarray(start, at) };
  }
}

/** The integers of a packed field. */
export function readPacked(bytes: Uint8Array): number[] {
  const values: number[] = [];
  let value = 0;
  let scale = 1;
  for (const byte of bytes) {
    value += (byte & 127) * scale;
    scale *= 128;
    if (byte < 128) {
      values.push(value);
      value = 0;
      scale = 1;
    }
  }
  return values;
}

/** Negative numbers as 64-bit two's complement. */
function varint(value: bigint): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  while (rest > 127n) {
    bytes.push(Number(rest & 127n) | 128);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}
