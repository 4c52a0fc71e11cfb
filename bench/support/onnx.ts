import { MessageWriter, readFields, readPacked } from '../../src/lm/neural/protobuf.ts';

/** onnx.proto's TensorProto.DataType. */
export const dataType = { float32: 1, uint8: 2, int32: 6, int64: 7 } as const;

export interface ConstantTensor {
  readonly dataType: number;
  readonly dimensions: readonly number[];
  /** Little-endian, as it stands in the file. */
  readonly data: Uint8Array;
}

/** A number is a float, a bigint an integer: ONNX distinguishes them. */
export type Attribute = number | bigint | string | readonly bigint[];

/** A dimension is a size or the name of one. */
export type Dimension = number | string;

/** Collects an ONNX graph; field numbers are those of onnx.proto. Invariant: every name is written once. */
export class GraphWriter {
  readonly #nodes: MessageWriter[] = [];
  readonly #constants: MessageWriter[] = [];
  readonly #inputs: MessageWriter[] = [];
  readonly #outputs: MessageWriter[] = [];

  constant(name: string, { dataType, dimensions, data }: ConstantTensor): string {
    const tensor = new MessageWriter();
    for (const dimension of dimensions) tensor.integer(1, dimension);
    this.#constants.push(tensor.integer(2, dataType).text(8, name).bytes(9, data));
    return name;
  }

  integers(name: string, values: readonly number[]): string {
    return this.constant(name, integerTensor(values));
  }

  /** @returns the first output that is wanted */
  node(
    operator: string,
    inputs: readonly string[],
    outputs: string | readonly string[],
    attributes: Readonly<Record<string, Attribute>> = {},
  ): string {
    const outputNames = typeof outputs === 'string' ? [outputs] : outputs;
    const name = outputNames.find((output) => output !== '') ?? operator;
    const node = new MessageWriter();
    for (const input of inputs) node.text(1, input);
    for (const output of outputNames) node.text(2, output);
    node.text(3, name).text(4, operator);
    for (const [key, value] of Object.entries(attributes)) node.message(5, attribute(key, value));
    if (contribOperators.has(operator)) node.text(7, contribDomain);
    this.#nodes.push(node);
    return name;
  }

  input(name: string, elementType: number, dimensions: readonly Dimension[]): void {
    this.#inputs.push(valueInfo(name, elementType, dimensions));
  }

  output(name: string, elementType: number, dimensions: readonly Dimension[]): void {
    this.#outputs.push(valueInfo(name, elementType, dimensions));
  }

  /** The parts of the file, in order. */
  model(): readonly Uint8Array[] {
    const graph = new MessageWriter();
    for (const node of this.#nodes) graph.message(1, node);
    graph.text(2, 'bench');
    for (const constant of this.#constants) graph.message(5, constant);
    for (const input of this.#inputs) graph.message(11, input);
    for (const output of this.#outputs) graph.message(12, output);
    return new MessageWriter()
      .integer(1, 8)
      .text(2, 'consort-bench')
      .message(7, graph)
      .message(8, new MessageWriter().text(1, '').integer(2, 18))
      .message(8, new MessageWriter().text(1, contribDomain).integer(2, 1)).parts;
  }
}

export function floatTensor(
  values: Float32Array,
  dimensions: readonly number[] = [values.length],
): ConstantTensor {
  const data = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return { dataType: dataType.float32, dimensions, data };
}

function integerTensor(values: readonly number[]): ConstantTensor {
  const data = new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
  return { dataType: dataType.int64, dimensions: [values.length], data };
}

/** The constants (initializers) of an ONNX file that holds its data itself. */
export function readConstants(file: Uint8Array): Map<string, ConstantTensor> {
  const constants = new Map<string, ConstantTensor>();
  for (const graph of readFields(file)) {
    if (graph.number !== 7 || !('bytes' in graph)) continue;
    for (const field of readFields(graph.bytes)) {
      if (field.number === 5 && 'bytes' in field) readConstant(field.bytes, constants);
    }
  }
  return constants;
}

function readConstant(tensor: Uint8Array, constants: Map<string, ConstantTensor>): void {
  const dimensions: number[] = [];
  let elementType = 0;
  let name = '';
  let data = new Uint8Array();
  for (const field of readFields(tensor)) {
    if ('integer' in field) {
      if (field.number === 1) dimensions.push(Number(field.integer));
      if (field.number === 2) elementType = Number(field.integer);
      continue;
    }
    if (field.number === 1) dimensions.push(...readPacked(field.bytes));
    if (field.number === 8) name = Buffer.from(field.bytes).toString('utf8');
    if (field.number === 9) data = Uint8Array.from(field.bytes);
  }
  constants.set(name, { dataType: elementType, dimensions, data });
}

const contribDomain = 'com.microsoft';
const contribOperators = new Set([
  'FusedMatMul',
  'GroupQueryAttention',
  'MatMulNBits',
  'QuickGelu',
  'RotaryEmbedding',
  'SkipSimplifiedLayerNormalization',
]);

function attribute(name: string, value: Attribute): MessageWriter {
  const message = new MessageWriter().text(1, name);
  if (typeof value === 'bigint') return message.integer(3, value).integer(20, 2);
  if (typeof value === 'number') return message.float(2, value).integer(20, 1);
  if (typeof value === 'string') return message.text(4, value).integer(20, 3);
  for (const integer of value) message.integer(8, integer);
  return message.integer(20, 7);
}

function valueInfo(name: string, elementType: number, dimensions: readonly Dimension[]): MessageWriter {
  const shape = new MessageWriter();
  for (const dimension of dimensions) {
    const message = new MessageWriter();
    shape.message(
      1,
      typeof dimension === 'number' ? message.integer(1, dimension) : message.text(2, dimension),
    );
  }
  const tensorType = new MessageWriter().integer(1, elementType).message(2, shape);
  return new MessageWriter().text(1, name).message(2, new MessageWriter().message(1, tensorType));
}
