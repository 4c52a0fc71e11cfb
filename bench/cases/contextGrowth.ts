import * as z from 'zod';
import type { Decoder, DecoderCache } from '../../src/lm/neural/decoder.ts';
import { REQUIRED } from '../../src/lm/neural/decoder.ts';
import { ROOT } from '../../src/lm/neural/tokenTree.ts';
import { openTwoPartDecoder } from '../../src/lm/neural/twoPartDecoder.ts';
import { milliseconds, ratio, roundsOf } from '../support/format.ts';
import { halfBillion, randomGguf, randomOnnx } from '../support/models.ts';
import { Peer } from '../support/peer.ts';
import type { BenchContext, CaseResult, Figure } from '../support/result.ts';
import { compare, distributionOf, median } from '../support/statistics.ts';
import { type Contender, takeTurns } from '../support/timing.ts';

const contexts = { short: 256, middle: 1024, long: 2048 };
const tokensPerRound = 4;
const nRounds = 20;
const warmUps = 2;

const generatedSchema = z.object({ tokens: z.array(z.int()), marks: z.array(z.number()) });

/** Milliseconds per token at three lengths of context, on random weights in the shape of a 0.5B model. */
export async function contextGrowth(context: BenchContext): Promise<CaseResult> {
  const { cacheFolder, machine, peersProblem } = context;
  const cache = { folder: cacheFolder };
  context.say('building the models');
  const folder = await randomOnnx(cache, halfBillion, 'twoPart');
  const decoder = await openTwoPartDecoder(`${folder}/model.onnx`, {
    nLayers: halfBillion.layers,
    nKeyValueHeads: halfBillion.keyValueHeads,
    headSize: halfBillion.headSize,
    vocabularySize: halfBillion.vocabulary,
    nPositions: halfBillion.positions,
  });
  const peers: Peer[] = [];
  try {
    const contenders: Contender[] = [];
    for (const nTokens of Object.values(contexts)) {
      context.say(`reading ${nTokens} tokens`);
      contenders.push(await ownContender(decoder, nTokens));
    }
    const problems = peersProblem === undefined ? [] : [peersProblem];
    if (peersProblem === undefined) {
      for (const start of [llamaCpp, transformersJs]) {
        context.say(`reading ${contexts.middle} tokens in ${start.name}`);
        try {
          const { peer, contender } = await start(cache);
          peers.push(peer);
          contenders.push(contender);
        } catch (error) {
          problems.push(`${start.name}: ${error instanceof Error ? error.message.split('\n')[0] : error}`);
        }
      }
    }
    context.say(`${nRounds} rounds of ${tokensPerRound} tokens`);
    const measured = await takeTurns(contenders, { warmUps, rounds: nRounds });
    const of = (name: string) => measured[contenders.findIndex((contender) => contender.name === name)];
    const growth = compare(of('own 2048'), of('own 256'));
    const figures: Figure[] = [
      {
        what: 'Step at 2048 ÷ at 256 tokens of context, 0.5B shape',
        value: ratio(growth.ratio),
        spread: roundsOf(growth),
        goal: '≤ 1.3',
        isMet: growth.ratio <= 1.3,
      },
    ];
    const rivals = [
      { name: 'llama.cpp 1024', label: 'llama.cpp Q4_0', goal: 1.1 },
      { name: 'transformers.js 1024', label: 'transformers.js q4', goal: undefined },
    ];
    for (const { name, label, goal } of rivals) {
      const times = of(name);
      if (times === undefined) continue;
      const comparison = compare(of('own 1024'), times);
      figures.push({
        what: `Step at 1024 tokens ÷ ${label}, 0.5B shape`,
        value: ratio(comparison.ratio),
        spread: roundsOf(comparison),
        goal: goal === undefined ? '' : `≤ ${goal}`,
        isMet: goal === undefined ? undefined : comparison.ratio <= goal,
      });
    }
    const { floor, weightMegabytes } = bandwidthFloor(machine.readGigabytesPerSecond);
    const at = (name: string) => milliseconds(median(of(name)));
    return {
      ratio: growth.ratio,
      figures,
      limit: `Own step ${at('own 256')} / ${at('own 1024')} / ${at('own 2048')} at 256 / 1024 / 2048 tokens. A token reads ${weightMegabytes} MB of weights once: at the ${machine.readGigabytesPerSecond} GB/s that one core moves, ${milliseconds(floor)}. Above that, 4-bit products in the processor's integer units decide. The growth is the attention over the cache: 25 kB of keys and values a token, read once, and the scores of all heads written and read again by each operator from the product to the softmax.`,
      ...(problems.length > 0 ? { notes: problems } : {}),
      details: {
        floorMs: floor,
        ...Object.fromEntries(contenders.map(({ name }, i) => [name, distributionOf(measured[i])])),
      },
    };
  } finally {
    for (const peer of peers) peer.stop();
    await decoder.close();
  }
}

/** The runtime's own decoder, one token after another; every round goes on where the last one ended. */
async function ownContender(decoder: Decoder, nTokens: number): Promise<Contender> {
  const cache = decoder.createCache();
  const chain = new Chain(cache);
  for (let read = 0; read < nTokens; read += 64) await chain.read(Math.min(64, nTokens - read));
  return {
    name: `own ${nTokens}`,
    async run() {
      const start = performance.now();
      for (let i = 0; i < tokensPerRound; i++) await chain.read(1);
      return (performance.now() - start) / tokensPerRound;
    },
  };
}

/** Tokens that follow one another in a cache. */
class Chain {
  readonly #cache: DecoderCache;
  #last = ROOT;
  #length = 0;

  constructor(cache: DecoderCache) {
    this.#cache = cache;
  }

  /** Reads this many tokens in one pass and takes the most probable token of the last row, as a peer does. */
  async read(count: number): Promise<number> {
    const nodes = new Int32Array(count);
    const wanted = new Uint8Array(count);
    for (let i = 0; i < count; i++) {
      this.#last = this.#cache.tree.add(this.#last, 1000 + ((this.#length++ * 7919) % 100_000));
      nodes[i] = this.#last;
    }
    wanted[count - 1] = REQUIRED;
    const { data, offsets } = this.#cache.run(nodes, wanted, count);
    const row = data.subarray(offsets[count - 1]);
    let best = 0;
    for (let token = 1; token < halfBillion.vocabulary; token++) if (row[token] > row[best]) best = token;
    return best;
  }
}

interface StartedPeer {
  readonly peer: Peer;
  readonly contender: Contender;
}

async function llamaCpp(cache: { folder: string }): Promise<StartedPeer> {
  const model = await randomGguf(cache, halfBillion);
  return startPeer('llama.cpp', Peer.start('node-llama-cpp', 'llamaCpp.ts'), model);
}

async function transformersJs(cache: { folder: string }): Promise<StartedPeer> {
  const model = await randomOnnx(cache, halfBillion, 'grow');
  return startPeer('transformers.js', Peer.start('@huggingface/transformers', 'transformersJs.ts'), model);
}

/** One thread, as the runtime gives each member. */
async function startPeer(name: string, peer: Peer, model: string): Promise<StartedPeer> {
  try {
    await peer.ask({ type: 'load', model, threads: 1, contextTokens: 2048 }, z.unknown());
    const prompt = Array.from({ length: contexts.middle }, (_, i) => 1000 + ((i * 7919) % 100_000));
    await peer.ask({ type: 'generate', prompt, count: 2 }, generatedSchema);
  } catch (error) {
    peer.stop();
    throw error;
  }
  return {
    peer,
    contender: {
      name: `${name} ${contexts.middle}`,
      async run() {
        // The first token's time holds what the call itself costs; the others' does not.
        const { marks } = await peer.ask({ type: 'continue', count: tokensPerRound + 1 }, generatedSchema);
        return (marks[tokensPerRound] - marks[0]) / tokensPerRound;
      },
    },
  };
}

/** Every matrix is read once per token, 4 bits and a 32nd of a float32 scale for each weight. */
function bandwidthFloor(gigabytesPerSecond: number): {
  readonly floor: number;
  readonly weightMegabytes: number;
} {
  const { layers, width, heads, keyValueHeads, headSize, hidden, vocabulary } = halfBillion;
  const perLayer = width * headSize * (2 * heads + 2 * keyValueHeads) + 3 * width * hidden;
  const bytes = (layers * perLayer + width * vocabulary) * (0.5 + 4 / 32);
  return { floor: bytes / gigabytesPerSecond / 1e6, weightMegabytes: Math.round(bytes / 1e6) };
}
