import { growAttention, twoPartAttention } from './attentionGraph.ts';
import { type DecoderSizes, type DecoderWeights, GraphParts, type MatrixNames } from './graphParts.ts';
import { dataType, floatTensor } from './onnx.ts';

/**
 * `twoPart` is the bundled members' contract: the caller owns the keys and values, and only new rows come back.
 * `grow` is the usual Hugging Face one: every run returns the whole past and its own rows. `growAllRows` is that as
 * plain exporters make it: logits of all rows, and products in whatever precision the runtime chooses.
 */
export type CacheContract = 'twoPart' | 'grow' | 'growAllRows';

/** The parts of the ONNX file of a decoder, in order. */
export function buildDecoder(
  sizes: DecoderSizes,
  weights: DecoderWeights,
  contract: CacheContract,
): readonly Uint8Array[] {
  const parts = new GraphParts(sizes, weights, contract === 'growAllRows' ? undefined : 4);
  const attention = contract === 'twoPart' ? twoPartAttention(parts) : growAttention(parts);
  const embedding = parts.matrix('embedding', sizes.vocabulary, sizes.width);
  let stream = writeEmbeddings(parts, embedding, contract);
  let pending: string | undefined; // what the last block wants added to the stream
  for (let layer = 0; layer < sizes.layers; layer++) {
    const name = `blocks.${layer}.`;
    const before = addAndNormalize(parts, stream, pending, `${name}attention`);
    const attended = attention(layer, before.normed);
    const after = addAndNormalize(parts, before.stream, attended, `${name}hidden`);
    pending = writeFeedForward(parts, name, after.normed);
    stream = after.stream;
  }
  const { normed } = addAndNormalize(parts, stream, pending, 'final');
  writeHead(parts, normed, embedding, contract);
  return parts.writer.model();
}

/** Rows of the matrix that also gives the logits, so that it is stored once. */
function writeEmbeddings(
  { writer, sizes, weights }: GraphParts,
  matrix: MatrixNames,
  contract: CacheContract,
): string {
  const { width } = sizes;
  let values = writer.node('Gather', [matrix[0], 'input_ids'], 'tokens.values', { axis: 0n });
  const scales = writer.node('Gather', [matrix[1], 'input_ids'], 'tokens.scales', { axis: 0n });
  const last = writer.integers('last_axis', [-1]);
  if (weights.bits === 4) {
    const byte = (name: string, value: number) =>
      writer.constant(name, { dataType: dataType.uint8, dimensions: [1], data: Uint8Array.of(value) });
    const low = writer.node('BitwiseAnd', [values, byte('nibble', 15)], 'tokens.low');
    const high = writer.node('BitShift', [values, byte('four', 4)], 'tokens.high', { direction: 'RIGHT' });
    const both = [low, high].map((half) => writer.node('Unsqueeze', [half, last], `${half}.apart`));
    const joined = writer.node('Concat', both, 'tokens.nibbles', { axis: -1n });
    values = writer.node(
      'Reshape',
      [joined, writer.integers('blocks', [0, 0, width / 32, 32])],
      'tokens.unpacked',
    );
  }
  const zeroPoint = writer.constant('zero_point', floatTensor(Float32Array.of(weights.bits === 4 ? 8 : 128)));
  const real = writer.node('Cast', [values], 'tokens.real', { to: BigInt(dataType.float32) });
  const centred = writer.node('Sub', [real, zeroPoint], 'tokens.centred');
  const perBlock = writer.node('Unsqueeze', [scales, last], 'tokens.scales_apart');
  const scaled = writer.node('Mul', [centred, perBlock], 'tokens.scaled');
  const flat = contract === 'twoPart' ? [-1, width] : [1, -1, width];
  return writer.node('Reshape', [scaled, writer.integers('flat', flat)], 'tokens');
}

function addAndNormalize(
  { writer, sizes, weights }: GraphParts,
  stream: string,
  added: string | undefined,
  name: string,
): { readonly stream: string; readonly normed: string } {
  const weight = writer.constant(`${name}.norm_weight`, weights.norm(`${name}.norm_weight`));
  const epsilon = sizes.normEpsilon;
  const normed = `${name}.normed`;
  if (added === undefined) {
    writer.node('SimplifiedLayerNormalization', [stream, weight], normed, { axis: -1n, epsilon });
    return { stream, normed };
  }
  const sum = `${name}.stream`;
  writer.node('SkipSimplifiedLayerNormalization', [stream, added, weight], [normed, '', '', sum], {
    epsilon,
  });
  return { stream: sum, normed };
}

/** SwiGLU. QuickGelu with alpha 1 is SiLU. */
function writeFeedForward(parts: GraphParts, name: string, x: string): string {
  const { width, hidden } = parts.sizes;
  const gate = parts.linear(x, `${name}gate`, hidden, width, `${name}gated`);
  const up = parts.linear(x, `${name}up`, hidden, width, `${name}upped`);
  const activated = parts.writer.node('QuickGelu', [gate], `${name}activated`, { alpha: 1 });
  const product = parts.writer.node('Mul', [activated, up], `${name}hidden_values`);
  return parts.linear(product, `${name}down`, width, hidden, `${name}feed_forward`);
}

function writeHead(parts: GraphParts, normed: string, embedding: MatrixNames, contract: CacheContract): void {
  const { writer, sizes } = parts;
  const { vocabulary, width, layers, keyValueHeads, headSize } = sizes;
  if (contract === 'growAllRows') {
    parts.multiply(normed, embedding, vocabulary, width, 'logits');
    writer.output('logits', dataType.float32, [1, 'k', vocabulary]);
    return;
  }
  if (contract === 'grow') {
    // The last row only: the rest would be multiplied with the vocabulary for nothing.
    const row = writer.node('Gather', [normed, writer.integers('last_row', [-1])], 'final.row', { axis: 1n });
    parts.multiply(row, embedding, vocabulary, width, 'logits');
    writer.output('logits', dataType.float32, [1, 1, vocabulary]);
    return;
  }
  const rows = writer.node('Gather', [normed, 'logit_rows'], 'final.rows', { axis: 0n });
  parts.multiply(rows, embedding, vocabulary, width, 'logits');
  const present = Array.from({ length: layers }, (_, layer) => [
    `present.${layer}.key`,
    `present.${layer}.value`,
  ]);
  writer.node('Concat', present.flat(), 'present', { axis: 0n });
  writer.output('logits', dataType.float32, ['r', vocabulary]);
  writer.output('present', dataType.float32, [2 * layers, keyValueHeads, 'k', headSize]);
}
