import { createHash } from 'node:crypto';
import { cp, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import {
  type MemberManifest,
  memberManifestFile,
  memberManifestSchema,
} from '../../src/config/memberManifest.ts';
import { defaultNeuralMemberOptions } from '../../src/lm/neural/neuralMember.ts';
import { bundledMembersPath, findMembers } from '../../src/server/memberFolders.ts';
import { LineDecoder } from '../support/decoding.ts';
import { percent, ratio, roundsOf } from '../support/format.ts';
import { built } from '../support/models.ts';
import type { BenchContext, CaseResult } from '../support/result.ts';
import { compare, median } from '../support/statistics.ts';
import { joinTimelines, type Timeline } from '../support/timeline.ts';
import { takeTurns } from '../support/timing.ts';

const nRounds = 12;
const warmUps = 1;
const cursorsPerRound = 10;

interface Round {
  readonly timeline: Timeline;
  readonly bytes: number;
  readonly texts: readonly string[];
}

/** What it saves that members make forward passes before they are asked for them. */
export async function passesAhead({ corpus, seed, say, cacheFolder }: BenchContext): Promise<CaseResult> {
  const cursors = corpus.draw((nRounds + warmUps) * cursorsPerRound, seed + 4);
  const decoders = [
    await LineDecoder.open(corpus),
    await LineDecoder.open(corpus, { modelsPath: await membersThatWait(cacheFolder) }),
  ];
  try {
    say(`${nRounds} rounds of ${cursorsPerRound} cursors`);
    const contenders = decoders.map((decoder, i) => ({
      name: i === 0 ? 'with passes ahead' : 'without',
      async run(round: number): Promise<Round> {
        const first = (round + warmUps) * cursorsPerRound;
        const timelines: Timeline[] = [];
        const texts: string[] = [];
        let bytes = 0;
        for (const cursor of cursors.slice(first, first + cursorsPerRound)) {
          const line = await decoder.decode(cursor);
          timelines.push(line.timeline);
          texts.push(line.completion.text);
          bytes += line.bytes;
        }
        return { timeline: joinTimelines(timelines), bytes, texts };
      },
    }));
    const [ahead, waiting] = await takeTurns(contenders, { warmUps, rounds: nRounds });
    const perByte = ({ timeline, bytes }: Round) => timeline.milliseconds / Math.max(1, bytes);
    const time = compare(ahead.map(perByte), waiting.map(perByte));
    const outside = [ahead, waiting].map((rounds) =>
      median(rounds.map(({ timeline }) => timeline.outside / timeline.milliseconds)),
    );
    const passes = compare(
      ahead.map(({ timeline }) => timeline.nPasses),
      waiting.map(({ timeline }) => timeline.nPasses),
    );
    const waitingTexts = waiting.flatMap(({ texts }) => texts);
    const texts = ahead.flatMap((round) => round.texts);
    const nEqual = texts.filter((text, i) => text === waitingTexts[i]).length;
    return {
      ratio: time.ratio,
      figures: [
        {
          what: 'Time per byte, with passes ahead of being asked ÷ without',
          value: ratio(time.ratio),
          spread: roundsOf(time),
          goal: '',
          isMet: undefined,
        },
      ],
      limit: `With them there are ${ratio(passes.ratio)} times as many passes, and ${percent(outside[0])} instead of ${percent(outside[1])} of the time is outside of all passes; ${nEqual} of ${texts.length} lines are the same. A pass that is made in vain after the end of a line is not in the time.`,
      details: { time, passes, outside, equalLines: nEqual, lines: texts.length },
    };
  } finally {
    for (const decoder of decoders) await decoder.close();
  }
}

/** The bundled members as they would be if they were too large to make passes ahead. */
async function membersThatWait(cacheFolder: string): Promise<string> {
  const members = await Promise.all(
    findMembers(bundledMembersPath()).map(async ({ folder, id }) => {
      const text = await readFile(path.join(folder, memberManifestFile), 'utf8');
      return { folder, id, manifest: memberManifestSchema.parse(JSON.parse(text)) };
    }),
  );
  const digest = createHash('sha256').update(JSON.stringify(members)).digest('hex').slice(0, 16);
  return built(path.join(cacheFolder, `waiting-${digest}`), async (target) => {
    for (const { folder, id, manifest } of members) {
      await cp(folder, path.join(target, id), { recursive: true });
      const parameters = defaultNeuralMemberOptions.mostAheadParameters + 1;
      const large: MemberManifest = { ...manifest, parameters };
      await writeFile(path.join(target, id, memberManifestFile), JSON.stringify(large));
    }
  });
}
