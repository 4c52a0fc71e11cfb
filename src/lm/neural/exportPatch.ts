import { type Field, MessageWriter, readFields } from './protobuf.ts';

/** The input that a patched model has besides its own: which rows' logits are wanted, int64 [r]. */
export const logitRowsInput = 'consort.logit_rows';

export interface PatchedExport {
  /** The file, to be put together. */
  readonly parts: readonly Uint8Array[];
  /** Whether anything was to change. */
  readonly isPatched: boolean;
  /** Whether the model has `logitRowsInput`, and gives those rows only. */
  readonly choosesRows: boolean;
}

/**
 * Makes a decoder that others exported cheaper to run, without changing what it says:
 * - products with quantised weights (MatMulNBits) that leave their precision open are done in int8
 *   (accuracy_level 4), which is several times as fast on a processor without wide float units;
 * - logits that are computed for every row are computed for the rows that are wanted only.
 * All else stays byte for byte as it was. Field numbers are those of onnx.proto.
 */
export function patchExport(model: Uint8Array): PatchedExport {
  const fields = [...readFields(model)];
  const graph = fields.find((field) => field.number === 7);
  if (!graph || !('bytes' in graph)) return { parts: [model], isPatched: false, choosesRows: false };
  const graphFields = [...readFields(graph.bytes)];
  const nodes = new Map(
    graphFields.flatMap((field) => (field.number === 1 ? [[field, readNode(field)]] : [])),
  );
  const head = findHead([...nodes.values()]);
  const isOpen = [...nodes.values()].some(
    (node) => node.operator === 'MatMulNBits' && !node.hasAccuracyLevel,
  );
  if (!head && !isOpen) return { parts: [model], isPatched: false, choosesRows: false };

  const patched = new MessageWriter();
  for (const field of graphFields) {
    const node = nodes.get(field);
    if (node && node === head) patched.message(1, gatherRows(node.inputs[0]));
    if (node) patched.message(1, patchNode(node, node === head));
    else if (head && isNamed(field, 12, 'logits')) patched.message(12, valueInfo('logits', float32));
    else patched.raw(field.raw);
  }
  if (head) patched.message(11, valueInfo(logitRowsInput, int64));
  const whole = new MessageWriter();
  for (const field of fields) field === graph ? whole.message(7, patched) : whole.raw(field.raw);
  return { parts: whole.parts, isPatched: true, choosesRows: head !== undefined };
}

const float32 = 1;
const int64 = 7;
const rowsOfHead = 'consort.head_rows';
const products = new Set(['MatMul', 'MatMulNBits']);
/** Operators that keep or drop no rows of what they are given, and that end a block. */
const normalizations = new Set([
  'SimplifiedLayerNormalization',
  'SkipSimplifiedLayerNormalization',
  'LayerNormalization',
  'SkipLayerNormalization',
  'Mul',
]);

interface Node {
  readonly fields: readonly Field[];
  readonly operator: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly hasAccuracyLevel: boolean;
}

function readNode(field: Field): Node {
  const fields = 'bytes' in field ? [...readFields(field.bytes)] : [];
  const texts = (number: number) =>
    fields.flatMap((part) => (part.number === number && 'bytes' in part ? [text(part.bytes)] : []));
  return {
    fields,
    operator: texts(4)[0] ?? '',
    inputs: texts(1),
    outputs: texts(2),
    hasAccuracyLevel: fields.some((part) => isNamed(part, 5, 'accuracy_level')),
  };
}

/** The product that gives the logits of all rows of a normalised stream; undefined where rows were chosen before. */
function findHead(nodes: readonly Node[]): Node | undefined {
  const maker = (name: string) => nodes.find((node) => node.outputs.includes(name));
  const head = maker('logits');
  if (!head || !products.has(head.operator)) return undefined;
  const source = maker(head.inputs[0]);
  return source && normalizations.has(source.operator) ? head : undefined;
}

function gatherRows(stream: string): MessageWriter {
  const axis = new MessageWriter().text(1, 'axis').integer(3, 1).integer(20, 2);
  return new MessageWriter()
    .text(1, stream)
    .text(1, logitRowsInput)
    .text(2, rowsOfHead)
    .text(3, rowsOfHead)
    .text(4, 'Gather')
    .message(5, axis);
}

function patchNode({ fields, operator, hasAccuracyLevel }: Node, isHead: boolean): MessageWriter {
  const node = new MessageWriter();
  let nInputs = 0;
  for (const field of fields) {
    if (isHead && field.number === 1 && nInputs++ === 0) node.text(1, rowsOfHead);
    else node.raw(field.raw);
  }
  if (operator === 'MatMulNBits' && !hasAccuracyLevel) {
    node.message(5, new MessageWriter().text(1, 'accuracy_level').integer(3, 4).integer(20, 2));
  }
  return node;
}

/** Without a shape: it is no longer what it was. */
function valueInfo(name: string, elementType: number): MessageWriter {
  const tensorType = new MessageWriter().integer(1, elementType);
  return new MessageWriter().text(1, name).message(2, new MessageWriter().message(1, tensorType));
}

function isNamed(field: Field, number: number, name: string): boolean {
  if (field.number !== number || !('bytes' in field)) return false;
  const [found] = [...readFields(field.bytes)].filter((part) => part.number === 1);
  return found !== undefined && 'bytes' in found && text(found.bytes) === name;
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('utf8');
}
