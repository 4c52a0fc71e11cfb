import { type ConstantTensor, GraphWriter } from './onnx.ts';

/** The sizes of a llama-style decoder with tied embeddings. */
export interface DecoderSizes {
  readonly vocabulary: number;
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly headSize: number;
  /** Of the feed-forward part. */
  readonly hidden: number;
  /** Positions that the rotary tables cover. */
  readonly positions: number;
  readonly ropeBase: number;
  readonly normEpsilon: number;
}

/** Symmetric blocks of 32 along the columns: values uint8 [rows, blocks, 4 · bits], scales float32 [rows, blocks]. */
export interface QuantizedMatrix {
  readonly values: ConstantTensor;
  readonly scales: ConstantTensor;
}

/** The weights of a decoder, named as in the bundled members' files. */
export interface DecoderWeights {
  readonly bits: 4 | 8;
  matrix(name: string, rows: number, columns: number): QuantizedMatrix;
  /** The weight of an RMSNorm, [width]. */
  norm(name: string): ConstantTensor;
}

/** The names of a quantised matrix's values and scales in the graph. */
export type MatrixNames = readonly [string, string];

/** Writes the parts that both kinds of export share. Keyed by name, so a matrix is stored once. */
export class GraphParts {
  readonly writer = new GraphWriter();
  readonly sizes: DecoderSizes;
  readonly weights: DecoderWeights;
  readonly #accuracyLevel: number | undefined;

  /** @param accuracyLevel of the products, as ONNX Runtime counts it: 4 multiplies in int8 */
  constructor(sizes: DecoderSizes, weights: DecoderWeights, accuracyLevel: number | undefined) {
    this.sizes = sizes;
    this.weights = weights;
    this.#accuracyLevel = accuracyLevel;
  }

  matrix(name: string, rows: number, columns: number): MatrixNames {
    const { values, scales } = this.weights.matrix(name, rows, columns);
    return [this.writer.constant(`${name}.values`, values), this.writer.constant(`${name}.scales`, scales)];
  }

  multiply(x: string, matrix: MatrixNames, rows: number, columns: number, output: string): string {
    const attributes = {
      N: BigInt(rows),
      K: BigInt(columns),
      bits: BigInt(this.weights.bits),
      block_size: 32n,
      ...(this.#accuracyLevel === undefined ? {} : { accuracy_level: BigInt(this.#accuracyLevel) }),
    };
    return this.writer.node('MatMulNBits', [x, ...matrix], output, attributes);
  }

  /** x times the transpose of the matrix of this name, [rows, columns]. */
  linear(x: string, name: string, rows: number, columns: number, output: string): string {
    return this.multiply(x, this.matrix(name, rows, columns), rows, columns, output);
  }
}

/** Cosines and sines of rotary positions, each [positions, headSize / 2]. */
export function rotaryTables({
  positions,
  headSize,
  ropeBase,
}: DecoderSizes): readonly [Float32Array, Float32Array] {
  const half = headSize / 2;
  const cosines = new Float32Array(positions * half);
  const sines = new Float32Array(positions * half);
  for (let position = 0; position < positions; position++) {
    for (let i = 0; i < half; i++) {
      const angle = position * ropeBase ** ((-2 * i) / headSize);
      cosines[position * half + i] = Math.cos(angle);
      sines[position * half + i] = Math.sin(angle);
    }
  }
  return [cosines, sines];
}
