import type { DecoderSizes } from './graphParts.ts';
import { randomBytes } from './randomBytes.ts';

/**
 * A llama-style model with random weights in GGUF version 3, matrices as Q4_0
 * (github.com/ggml-org/ggml, docs/gguf.md). Its vocabulary is byte-level with fillers; only token ids are used.
 */
export function* writeGguf(sizes: DecoderSizes): Generator<Uint8Array> {
  const tensors = tensorsOf(sizes);
  const metadata = metadataOf(sizes);
  const head: Uint8Array[] = [Buffer.from('GGUF'), u32(3), u64(tensors.length), u64(metadata.length)];
  for (const entry of metadata) head.push(Buffer.concat(entry));
  let offset = 0;
  for (const { name, dimensions, format } of tensors) {
    head.push(text(name), u32(dimensions.length), ...dimensions.map(u64), u32(format), u64(offset));
    offset += padded(byteLength(dimensions, format));
  }
  const bytes = Buffer.concat(head);
  yield bytes;
  yield new Uint8Array(padded(bytes.length) - bytes.length);
  for (const { dimensions, format, scale } of tensors) {
    const length = byteLength(dimensions, format);
    yield format === q4
      ? randomBlocks(length, scale)
      : new Uint8Array(new Float32Array(length / 4).fill(1).buffer);
    yield new Uint8Array(padded(length) - length);
  }
}

/** ggml's tensor types. */
const f32 = 0;
const q4 = 2;
/** A Q4_0 block: a float16 scale, then 32 values of 4 bits. */
const blockBytes = 18;

interface TensorPlan {
  readonly name: string;
  /** The fastest first. */
  readonly dimensions: readonly number[];
  readonly format: typeof f32 | typeof q4;
  readonly scale: number;
}

function tensorsOf({
  vocabulary,
  width,
  layers,
  heads,
  keyValueHeads,
  headSize,
  hidden,
}: DecoderSizes): TensorPlan[] {
  const matrix = (name: string, columns: number, rows: number): TensorPlan => ({
    name: `${name}.weight`,
    dimensions: [columns, rows],
    format: q4,
    scale: columns ** -0.5 / 4.6,
  });
  const norm = (name: string): TensorPlan => ({
    name: `${name}.weight`,
    dimensions: [width],
    format: f32,
    scale: 1,
  });
  const tensors = [matrix('token_embd', width, vocabulary), norm('output_norm')];
  for (let layer = 0; layer < layers; layer++) {
    const of = (name: string) => `blk.${layer}.${name}`;
    tensors.push(
      norm(of('attn_norm')),
      matrix(of('attn_q'), width, heads * headSize),
      matrix(of('attn_k'), width, keyValueHeads * headSize),
      matrix(of('attn_v'), width, keyValueHeads * headSize),
      matrix(of('attn_output'), heads * headSize, width),
      norm(of('ffn_norm')),
      matrix(of('ffn_gate'), width, hidden),
      matrix(of('ffn_up'), width, hidden),
      matrix(of('ffn_down'), hidden, width),
    );
  }
  return tensors;
}

/** GGUF's value types. */
const valueType = { uint32: 4, int32: 5, float32: 6, boolean: 7, string: 8, array: 9 } as const;

function metadataOf(sizes: DecoderSizes): Uint8Array[][] {
  const integer = (key: string, value: number) => [text(key), u32(valueType.uint32), u32(value)];
  const float = (key: string, value: number) => [text(key), u32(valueType.float32), f32Bytes(value)];
  const string = (key: string, value: string) => [text(key), u32(valueType.string), text(value)];
  const array = (key: string, type: number, values: Uint8Array[]) => [
    text(key),
    u32(valueType.array),
    u32(type),
    u64(values.length),
    ...values,
  ];
  const { tokens, types, merges } = vocabularyOf(sizes.vocabulary);
  return [
    string('general.architecture', 'llama'),
    string('general.name', 'random'),
    integer('general.file_type', 2),
    integer('llama.vocab_size', sizes.vocabulary),
    integer('llama.context_length', sizes.positions),
    integer('llama.embedding_length', sizes.width),
    integer('llama.block_count', sizes.layers),
    integer('llama.feed_forward_length', sizes.hidden),
    integer('llama.attention.head_count', sizes.heads),
    integer('llama.attention.head_count_kv', sizes.keyValueHeads),
    integer('llama.rope.dimension_count', sizes.headSize),
    float('llama.rope.freq_base', sizes.ropeBase),
    float('llama.attention.layer_norm_rms_epsilon', sizes.normEpsilon),
    string('tokenizer.ggml.model', 'gpt2'),
    string('tokenizer.ggml.pre', 'qwen2'),
    array('tokenizer.ggml.tokens', valueType.string, tokens.map(text)),
    array('tokenizer.ggml.token_type', valueType.int32, types.map(u32)),
    array('tokenizer.ggml.merges', valueType.string, merges.map(text)),
    integer('tokenizer.ggml.bos_token_id', sizes.vocabulary - 1),
    integer('tokenizer.ggml.eos_token_id', sizes.vocabulary - 1),
    [text('tokenizer.ggml.add_bos_token'), u32(valueType.boolean), Uint8Array.of(0)],
  ];
}

/** GPT-2's stand-ins for the 256 bytes, pairs of letters (their merges), fillers, one marker. */
function vocabularyOf(size: number): { tokens: string[]; types: number[]; merges: string[] } {
  const tokens: string[] = [];
  let extra = 256;
  for (let byte = 0; byte < 256; byte++) {
    const isPrintable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    tokens.push(String.fromCharCode(isPrintable ? byte : extra++));
  }
  const merges: string[] = [];
  const letters = 'abcdefghijklmnopqrstuvwxyz';
  for (const first of letters) {
    for (const second of letters) {
      tokens.push(first + second);
      merges.push(`${first} ${second}`);
    }
  }
  while (tokens.length < size - 1) tokens.push(`filler${tokens.length}`);
  tokens.push('<|end|>');
  const types = tokens.map((_, i) => (i === size - 1 ? 3 : 1)); // 1 normal, 3 control
  return { tokens, types, merges };
}

function randomBlocks(length: number, scale: number): Uint8Array {
  const bytes = randomBytes(length);
  const half = float16(scale);
  for (let at = 0; at < length; at += blockBytes) bytes.set(half, at);
  return bytes;
}

function byteLength(dimensions: readonly number[], format: number): number {
  const size = dimensions.reduce((product, dimension) => product * dimension, 1);
  return format === q4 ? (size / 32) * blockBytes : size * 4;
}

/** Tensors begin at multiples of 32 bytes. */
function padded(length: number): number {
  return Math.ceil(length / 32) * 32;
}

function u32(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function u64(value: number): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

function f32Bytes(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return bytes;
}

function text(value: string): Uint8Array {
  const bytes = Buffer.from(value, 'utf8');
  return Buffer.concat([u64(bytes.length), bytes]);
}

/** Round towards zero; for normal positive numbers. */
function float16(value: number): Uint8Array {
  const exponent = Math.floor(Math.log2(value));
  const bits = ((exponent + 15) << 10) | Math.floor((value / 2 ** exponent - 1) * 1024);
  return Uint8Array.of(bits & 255, bits >> 8);
}
