import type { CollectedCursor } from '../evaluation/pathStore.ts';
import { type FeatureGroup, MEMBER_FEATURES, SHARED_FEATURES } from '../policy/features.ts';
import type { NetworkShape } from './actorCritic.ts';

type Members = CollectedCursor['members'];

/** What an actor sees and how its members lie in a row of its input. */
export interface Layout {
  readonly shape: NetworkShape;
  /** What it sees; the features of other groups are 0. */
  readonly groups: readonly FeatureGroup[];
  /** Steps for which an action holds: 1 for one at every step. */
  readonly spanLength: number;
  /** Of the members that take part, in their order: where in a row each lies. */
  readonly places: (members: Members) => readonly number[];
}

export interface LayoutOptions extends Pick<Layout, 'groups' | 'spanLength'> {
  readonly kind: NetworkShape['kind'];
}

/** A layout that has room for the members of all these cursors. Their ids, sorted, are the slots. */
export function layoutFor(
  cursors: readonly Pick<CollectedCursor, 'members'>[],
  { kind, groups, spanLength }: LayoutOptions,
): Layout & { readonly slots: readonly string[] } {
  const slots = [...new Set(cursors.flatMap(({ members }) => members.map(({ id }) => id)))].sort();
  const most = cursors.reduce((nMembers, { members }) => Math.max(nMembers, members.length), 0);
  return {
    slots,
    groups,
    spanLength,
    shape: {
      kind,
      nMembers: kind === 'slots' ? slots.length : most,
      memberFeatures: MEMBER_FEATURES,
      sharedFeatures: SHARED_FEATURES,
    },
    places: (members) => members.map(({ id }, i) => (kind === 'slots' ? slots.indexOf(id) : i)),
  };
}

/** A row by the layout: `width` numbers at each member's place, and this elsewhere. */
export function placed(
  values: ArrayLike<number>,
  places: readonly number[],
  { shape }: Pick<Layout, 'shape'>,
  width = 1,
  elsewhere = 0,
): Float32Array {
  const row = new Float32Array(shape.nMembers * width).fill(elsewhere);
  for (const [i, place] of places.entries()) {
    for (let k = 0; k < width; k++) row[place * width + k] = values[i * width + k];
  }
  return row;
}
