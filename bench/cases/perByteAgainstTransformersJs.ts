import * as z from 'zod';
import { buildContext } from '../../src/server/textContext.ts';
import { type BundledMember, largestBundledMember } from '../support/bundled.ts';
import type { Cursor } from '../support/corpus.ts';
import { LineDecoder } from '../support/decoding.ts';
import { milliseconds, ratio, roundsOf, times } from '../support/format.ts';
import { bundledAsGrow } from '../support/models.ts';
import { Peer } from '../support/peer.ts';
import type { BenchContext, CaseResult } from '../support/result.ts';
import { compare, distributionOf, median } from '../support/statistics.ts';
import { takeTurns } from '../support/timing.ts';

const nRounds = 12;
const cursorsPerRound = 10;
const warmUps = 2;
/** Tokens that the peer writes at most; a line ends before. */
const maximumTokens = 24;
const newline = 10;

const generatedSchema = z.object({ tokens: z.array(z.int()), marks: z.array(z.number()) });

/**
 * Milliseconds per byte of a line, after the prompt has been read: the whole bundled ensemble, and its largest
 * member alone in `@huggingface/transformers`.
 */
export async function perByteAgainstTransformersJs(context: BenchContext): Promise<CaseResult> {
  const { corpus, seed, peersProblem } = context;
  const member = await largestBundledMember();
  const cursors = corpus.draw((nRounds + warmUps) * cursorsPerRound, seed + 1);
  const inRound = (round: number) =>
    cursors.slice((round + warmUps) * cursorsPerRound).slice(0, cursorsPerRound);
  const peers = peersProblem === undefined ? await startPeers(member, context) : [];
  const ensemble = await LineDecoder.open(corpus);
  try {
    const ours = {
      name: 'ensemble',
      async run(round: number): Promise<number> {
        let time = 0;
        let bytes = 0;
        for (const cursor of inRound(round)) {
          const line = await ensemble.decode(cursor);
          time += line.timeline.milliseconds;
          bytes += line.bytes;
        }
        return time / bytes;
      },
    };
    const theirs = peers.map(({ name, peer }) => ({
      name,
      async run(round: number): Promise<number> {
        let time = 0;
        let bytes = 0;
        for (const cursor of inRound(round)) {
          const line = await peerLine(peer, member, cursor);
          time += line.milliseconds;
          bytes += line.bytes;
        }
        return time / bytes;
      },
    }));
    context.say(`${nRounds} rounds of ${cursorsPerRound} cursors`);
    const [own, ...others] = await takeTurns([ours, ...theirs], { warmUps, rounds: nRounds });
    const best = others.toSorted((a, b) => median(a) - median(b)).at(0);
    const spread = distributionOf(own);
    if (best === undefined) {
      return {
        figures: [
          {
            what: 'Time per byte, whole ensemble',
            value: milliseconds(spread.p50),
            spread: times(spread, milliseconds),
            goal: 'peer not installed',
            isMet: undefined,
          },
        ],
        limit: peersProblem ?? 'No peer could be measured.',
        details: { ensemble: spread },
      };
    }
    const comparison = compare(own, best);
    const name = theirs[others.indexOf(best)].name;
    return {
      ratio: comparison.ratio,
      figures: [
        {
          what: `Time per byte, whole ensemble ÷ ${member.id} alone in transformers.js`,
          value: ratio(comparison.ratio),
          spread: roundsOf(comparison),
          goal: '≤ 1.0',
          isMet: comparison.ratio <= 1,
        },
      ],
      limit: `Ours ${milliseconds(spread.p50)} per byte, the peer's best (${name}) ${milliseconds(median(best))}. The peer is limited by what generate() does around each pass and by copying its past; the ensemble by ${context.machine.cores} cores for all its members' passes and by the hand-over between threads.`,
      details: {
        ensemble: spread,
        peers: Object.fromEntries(theirs.map((peer, i) => [peer.name, distributionOf(others[i])])),
        rounds: comparison.rounds,
      },
    };
  } finally {
    for (const { peer } of peers) peer.stop();
    await ensemble.close();
  }
}

interface NamedPeer {
  readonly name: string;
  readonly peer: Peer;
}

/** The same weights in the usual export; the better of one and two threads counts. */
async function startPeers(member: BundledMember, { cacheFolder }: BenchContext): Promise<NamedPeer[]> {
  const model = await bundledAsGrow({ folder: cacheFolder }, member.folder);
  const peers: NamedPeer[] = [];
  for (const threads of [1, 2]) {
    const peer = Peer.start('@huggingface/transformers', 'transformersJs.ts');
    peers.push({ name: `${threads} thread${threads > 1 ? 's' : ''}`, peer });
    await peer.ask({ type: 'load', model, threads, contextTokens: 2048 }, z.unknown());
  }
  return peers;
}

/** The peer's line: what it writes before its first newline, and the time from its first token to that newline. */
async function peerLine(
  peer: Peer,
  { tokens, prompt }: BundledMember,
  cursor: Cursor,
): Promise<{ readonly milliseconds: number; readonly bytes: number }> {
  const request = { type: 'generate', prompt: prompt(buildContext(cursor)), count: maximumTokens } as const;
  const generated = await peer.ask(request, generatedSchema);
  let bytes = 0;
  for (const [i, token] of generated.tokens.entries()) {
    const text = tokens[token] ?? Uint8Array.of(newline); // a marker ends the line as well
    const end = text.indexOf(newline);
    // The last token's own bytes would need no further pass.
    if (end < 0 && i < generated.tokens.length - 1) bytes += text.length;
    else return { milliseconds: generated.marks[i] - generated.marks[0], bytes: bytes + Math.max(0, end) };
  }
  return { milliseconds: 0, bytes };
}
