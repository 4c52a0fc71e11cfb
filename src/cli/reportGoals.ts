import type { Table } from './reportContent.ts';
import type { ResultPart } from './resultFile.ts';

/** What a learned policy is meant to reach on packages that nothing was trained on. */
const goals = {
  /** Points of exact lines more than the best contender that was not learned, or as RLAE was published. */
  exactPoints: 3.3,
  /** Bits per byte less than the best such contender, as a part of its own. */
  fewerBits: 0.05,
  /** Exact lines of the 25 % and the 50 % of cursors that it is surest of. */
  exactAt25: 0.95,
  exactAt50: 0.8,
} as const;

/** Each learned policy beside the goals. Where a difference is asked for, its interval has to be clear of zero. */
export function goalsTable(part: ResultPart, learned: readonly string[]): Table[] {
  const { policies, comparisons } = part;
  const isRival = (name: string) => !learned.includes(name) || name.startsWith('rlae');
  const own = learned.filter((name) => name in policies && !isRival(name) && !name.startsWith('gate'));
  const others = Object.keys(policies).filter(
    (name) =>
      isRival(name) && !name.startsWith('oracle') && policies[name].positions === part.corpus.positions,
  );
  if (own.length === 0 || others.length === 0) return [];
  const best = (rank: (name: string) => number) =>
    others
      .toSorted((a, b) => (rank(a) || Number.NEGATIVE_INFINITY) - (rank(b) || Number.NEGATIVE_INFINITY))
      .at(-1) ?? others[0];
  const mostExact = best((name) => policies[name].exactLine);
  const fewestBits = best((name) => -policies[name].bitsPerByte);
  const mostReward = best((name) => policies[name].reward);
  const gates = learned.filter((name) => name in policies && name.startsWith('gate'));
  const against = (name: string, other: string) =>
    comparisons.find((pair) => pair.name === name && pair.against === other);
  const rows = own.flatMap((name): string[][] => {
    const exact = against(name, mostExact)?.exactLine;
    const bits = against(name, fewestBits)?.bitsPerByte;
    const reward = against(name, mostReward)?.reward;
    const baseBits = policies[fewestBits].bitsPerByte;
    const { atShownRate } = policies[name];
    return [
      [
        name,
        `≥ ${goals.exactPoints} points of exact lines more than ${mostExact}`,
        exact ? interval(exact, 100, 1) : '–',
        verdict(exact !== undefined && 100 * exact.mean >= goals.exactPoints && exact.low > 0),
      ],
      [
        name,
        `≥ ${100 * goals.fewerBits} % fewer bits than ${fewestBits}`,
        bits ? `${interval(bits, 100 / baseBits, 1)} %` : '–',
        verdict(bits !== undefined && bits.mean / baseBits <= -goals.fewerBits && bits.high < 0),
      ],
      [
        name,
        `more reward than ${mostReward}`,
        reward ? interval(reward, 1, 3) : '–',
        verdict(reward !== undefined && reward.low > 0),
      ],
      ...gates.flatMap((gate): string[][] => {
        const pair = against(name, gate);
        if (!pair) return [];
        return [
          [
            name,
            `not more bits than ${gate}`,
            interval(pair.bitsPerByte, 1, 3),
            verdict(pair.bitsPerByte.low <= 0),
          ],
          [name, `more reward than ${gate}`, interval(pair.reward, 1, 3), verdict(pair.reward.low > 0)],
        ];
      }),
      ...([25, 50] as const).map((rate) => {
        const goal = rate === 25 ? goals.exactAt25 : goals.exactAt50;
        const { exactLine } = atShownRate[rate];
        return [
          name,
          `≥ ${100 * goal} % exact where ${rate} % are shown`,
          `${(100 * exactLine).toFixed(1)} %`,
          verdict(exactLine >= goal),
        ];
      }),
    ];
  });
  return [{ caption: 'What was aimed for', rows: [['policy', 'goal', 'measured', 'reached'], ...rows] }];
}

function verdict(isReached: boolean): string {
  return isReached ? 'yes' : 'no';
}

function interval(
  { mean, low, high }: { readonly mean: number; readonly low: number; readonly high: number },
  scale: number,
  digits: number,
): string {
  const [middle, from, to] = [mean, low, high].map((value) =>
    (scale * value).toFixed(digits).replace('-', '−'),
  );
  return `${middle} [${from}, ${to}]`;
}
