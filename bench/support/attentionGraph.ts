import { type GraphParts, rotaryTables } from './graphParts.ts';
import { dataType, floatTensor } from './onnx.ts';

/** Writes one layer's attention over x and returns the name of what it adds to the stream. */
export type Attention = (layer: number, x: string) => string;

/**
 * The scores against the cache and against the new rows are computed apart, so the graph never copies the cache;
 * one softmax runs over both. Outputs: the new rows, to be joined to `present`.
 */
export function twoPartAttention(parts: GraphParts): Attention {
  const { writer, sizes } = parts;
  const { heads, keyValueHeads, headSize, width } = sizes;
  const { float32, int64 } = dataType;
  writer.input('input_ids', int64, [1, 'k']);
  writer.input('position_ids', int64, [1, 'k']);
  writer.input('past_mask', float32, ['k', 'capacity']);
  writer.input('new_mask', float32, ['k', 'k']);
  writer.input('logit_rows', int64, ['r']);
  const rowMask = writer.node('Concat', ['past_mask', 'new_mask'], 'mask.row', { axis: 1n });
  const groups = heads / keyValueHeads;
  const mask =
    groups > 1 ? writer.node('Concat', Array(groups).fill(rowMask), 'mask', { axis: 0n }) : rowMask;
  const widths = ['past_mask', 'new_mask'].map((name) =>
    writer.node('Shape', [name], `${name}.width`, { start: 1n, end: 2n }),
  );
  const partSizes = writer.node('Concat', widths, 'part_sizes', { axis: 0n });
  const tables = writeRotaryTables(parts);
  const toHeads = writer.integers('to_heads', [1, -1, heads + 2 * keyValueHeads, headSize]);
  const toGroups = writer.integers('to_groups', [1, keyValueHeads, -1, headSize]);
  const toAllHeads = writer.integers('to_all_heads', [1, heads, -1, headSize]);
  const toRows = writer.integers('to_rows', [-1, heads * headSize]);
  const rotatedAndValue = writer.integers('rotated_and_value', [heads + keyValueHeads, keyValueHeads]);
  const queryAndKey = writer.integers('query_and_key', [heads, keyValueHeads]);
  const exchange = { perm: [0n, 2n, 1n, 3n] };

  return (layer, x) => {
    const name = `blocks.${layer}.`;
    const named = (part: string) => name + part;
    const [key, value] = [`present.${layer}.key`, `present.${layer}.value`];
    const [pastKey, pastValue] = [`past.${layer}.key`, `past.${layer}.value`];
    writer.input(pastKey, float32, [1, keyValueHeads, 'capacity', headSize]);
    writer.input(pastValue, float32, [1, keyValueHeads, headSize, 'capacity']);
    const projected = writeProjection(parts, layer, x);
    const rows = writer.node('Reshape', [projected, toHeads], named('rows'));
    const byHead = writer.node('Transpose', [rows], named('heads'), exchange);
    writer.node('Split', [byHead, rotatedAndValue], [named('unrotated'), value], { axis: 1n });
    const toRotate = [named('unrotated'), 'position_ids', ...tables];
    const rotated = writer.node('RotaryEmbedding', toRotate, named('rotated'), { interleaved: 0n });
    writer.node('Split', [rotated, queryAndKey], [named('query'), key], { axis: 1n });
    const grouped = writer.node('Reshape', [named('query'), toGroups], named('grouped'));

    const alpha = headSize ** -0.5;
    // Keys and values stand on the left: ONNX Runtime would copy a right factor of their size before multiplying.
    const turned = writer.node('Transpose', [grouped], named('turned'), { perm: [0n, 1n, 3n, 2n] });
    const pastTurned = writer.node('FusedMatMul', [pastKey, turned], named('scores_turned'), { alpha });
    const past = writer.node('Transpose', [pastTurned], named('scores_past'), { perm: [0n, 1n, 3n, 2n] });
    const own = writer.node('FusedMatMul', [grouped, key], named('scores_new'), { transB: 1n, alpha });
    const scores = writer.node('Concat', [past, own], named('scores'), { axis: 3n });
    const masked = writer.node('Add', [scores, mask], named('masked'));
    const shares = writer.node('Softmax', [masked], named('shares'), { axis: -1n });
    writer.node('Split', [shares, partSizes], [named('shares_past'), named('shares_new')], { axis: 3n });
    const fromPastTurned = writer.node(
      'FusedMatMul',
      [pastValue, named('shares_past')],
      named('from_past_turned'),
      { transB: 1n },
    );
    const fromPast = writer.node('Transpose', [fromPastTurned], named('from_past'), {
      perm: [0n, 1n, 3n, 2n],
    });
    const fromNew = writer.node('MatMul', [named('shares_new'), value], named('from_new'));
    const attended = writer.node('Add', [fromPast, fromNew], named('attended'));

    const allHeads = writer.node('Reshape', [attended, toAllHeads], named('attended_heads'));
    const inRows = writer.node('Transpose', [allHeads], named('attended_rows'), exchange);
    const flat = writer.node('Reshape', [inRows, toRows], named('attended_flat'));
    return parts.linear(flat, named('attention_out'), width, heads * headSize, named('attention'));
  };
}

/** Hugging Face's names and ONNX Runtime's fused operator: what the models on the hub have. */
export function growAttention(parts: GraphParts): Attention {
  const { writer, sizes } = parts;
  const { heads, keyValueHeads, headSize, width } = sizes;
  const { float32, int64, int32 } = dataType;
  writer.input('input_ids', int64, [1, 'k']);
  writer.input('attention_mask', int64, [1, 'total']);
  writer.input('position_ids', int64, [1, 'k']);
  const axis = writer.integers('one', [1]);
  const total = writer.node('ReduceSum', ['attention_mask', axis], 'total64', { keepdims: 0n });
  const beforeLast = writer.node('Sub', [total, axis], 'before_last64');
  const lengths = writer.node('Cast', [beforeLast], 'sequence_lengths', { to: BigInt(int32) });
  const width64 = writer.node('Shape', ['attention_mask'], 'mask_width64', { start: 1n, end: 2n });
  const squeezed = writer.node('Squeeze', [width64], 'mask_width_scalar');
  const totalLength = writer.node('Cast', [squeezed], 'total_length', { to: BigInt(int32) });
  const tables = writeRotaryTables(parts);

  return (layer, x) => {
    const names = ['key', 'value'].map((part) => ({
      past: `past_key_values.${layer}.${part}`,
      present: `present.${layer}.${part}`,
    }));
    for (const { past, present } of names) {
      writer.input(past, float32, [1, keyValueHeads, 'past', headSize]);
      writer.output(present, float32, [1, keyValueHeads, 'total', headSize]);
    }
    const projected = writeProjection(parts, layer, x);
    const inputs = [projected, '', '', ...names.map(({ past }) => past), lengths, totalLength, ...tables];
    const outputs = [`blocks.${layer}.attended`, ...names.map(({ present }) => present)];
    const attended = writer.node('GroupQueryAttention', inputs, outputs, {
      num_heads: BigInt(heads),
      kv_num_heads: BigInt(keyValueHeads),
      do_rotary: 1n,
      scale: headSize ** -0.5,
    });
    return parts.linear(
      attended,
      `blocks.${layer}.attention_out`,
      width,
      heads * headSize,
      `blocks.${layer}.attention`,
    );
  };
}

function writeProjection(parts: GraphParts, layer: number, x: string): string {
  const { heads, keyValueHeads, headSize, width } = parts.sizes;
  const rows = (heads + 2 * keyValueHeads) * headSize;
  return parts.linear(x, `blocks.${layer}.query_key_value`, rows, width, `blocks.${layer}.projected`);
}

function writeRotaryTables({ writer, sizes }: GraphParts): readonly [string, string] {
  const dimensions = [sizes.positions, sizes.headSize / 2];
  const [cosines, sines] = rotaryTables(sizes);
  return [
    writer.constant('cosine', floatTensor(cosines, dimensions)),
    writer.constant('sine', floatTensor(sines, dimensions)),
  ];
}
