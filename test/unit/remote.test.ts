import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { MemberError } from '../../src/config/memberError.ts';
import { loadMemberManifest } from '../../src/config/memberManifest.ts';
import { BOUNDARY_SHARE } from '../../src/lm/evidence.ts';
import type { TextContext } from '../../src/lm/member.ts';
import { openNeuralMember } from '../../src/lm/neural/neuralMember.ts';
import { type RemoteMember, startRemoteMember } from '../../src/lm/remoteMember.ts';

const never = new AbortController().signal;
const toyUrl = new URL('../support/toyWorker.ts', import.meta.url);
const neuralUrl = new URL('../../src/lm/memberWorker.ts', import.meta.url);
const folder = fileURLToPath(new URL('../../models/consort-typescript', import.meta.url));

/** Before the byte at this place: so much of the text, and then something else. */
interface Draft {
  readonly at: number;
  readonly length: number;
  readonly end: readonly number[];
}

const members: RemoteMember[] = [];
async function startToy(): Promise<RemoteMember> {
  const member = await startRemoteMember({ id: 'toy', kind: 'neural', workerUrl: toyUrl, workerData: {} });
  members.push(member);
  return member;
}
afterEach(async () => {
  await Promise.all(members.splice(0).map((member) => member.close()));
});

function contextOf(prefix: string, suffix = ''): TextContext {
  return {
    documentId: 'a',
    languageId: 'plaintext',
    prefix: Buffer.from(prefix),
    suffix: Buffer.from(suffix),
  };
}

describe('a member in a worker', () => {
  test('answers as the member itself does, foreseen or not', async () => {
    const member = await startToy();
    const stream = await member.open(contextOf('xa'), never);
    expect([...stream.recentLogProbabilities]).toEqual([-1, -2]);
    const text = 'abcdefghijklxyzcdefghxxabca';
    for (const character of `b${text}`) {
      const byte = character.charCodeAt(0);
      await stream.advance(byte);
      expect(stream.distribution[byte + 1]).toBe(0.9);
      expect(stream.evidence[BOUNDARY_SHARE]).toBe(byte / 256);
    }
    expect(stream.forwardPasses).toBeGreaterThan(2);
    stream.release();
  });

  test('what it foresaw needs no waiting', async () => {
    const member = await startToy();
    const stream = await member.open(contextOf('xa'), never);
    let nWaits = 0;
    for (let byte = 98; byte < 104; byte++) {
      const wait = stream.advance(byte);
      if (wait) nWaits++;
      await wait;
    }
    // From 98 to 103 it looks ahead; what follows 104 takes a forward pass.
    expect(nWaits).toBe(0);
    stream.release();
  });

  test('makes one forward pass before it is asked for it, and the next when the byte of that one has been taken', async () => {
    const member = await startToy();
    const stream = await member.open(contextOf('xa'), never);
    expect(await member.call('readAhead', null)).toEqual([104]);
    for (let byte = 98; byte < 104; byte++) await stream.advance(byte);
    expect(await member.call('readAhead', null)).toEqual([]);
    await stream.advance(104);
    expect(stream.distribution[105]).toBe(0.9);
    await expect.poll(() => member.call('readAhead', null)).toEqual([112]);
    stream.release();
  });

  test('which passes it makes ahead, and what it foresees then, does not depend on time', async () => {
    const member = await startToy();
    /** The passes ahead and what is foreseen, where the reader rests before these bytes. */
    const read = async (text: readonly number[], drafts: readonly Draft[], rests: (i: number) => boolean) => {
      const stream = await member.open(contextOf(`x${String.fromCharCode(text[0] - 1)}`), never);
      for (const [i, byte] of text.entries()) {
        for (const { at, length, end } of drafts) {
          if (at === i) await stream.expect?.(Uint8Array.from([...text.slice(i, i + length), ...end]));
        }
        if (rests(i)) await new Promise((resolve) => setTimeout(resolve, 4));
        await stream.advance(byte);
        expect(stream.distribution[byte + 1]).toBe(0.9);
      }
      const foreseen = stream.foreseen?.(0);
      // A last request: the passes that are due before it are made before it.
      await stream.expect?.(Uint8Array.of(1));
      const passes = await member.call('readAhead', null);
      stream.release();
      return { foreseen, passes };
    };
    const jump = fc.oneof({ weight: 12, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(9) });
    const text = fc.array(jump, { minLength: 20, maxLength: 60 }).map((jumps) => {
      let byte = 60;
      return jumps.map((far) => (byte = byte + 1 + far > 190 ? 41 : byte + 1 + far));
    });
    const draft = fc.record({
      at: fc.nat(40),
      length: fc.integer({ min: 8, max: 30 }),
      end: fc.array(fc.integer({ min: 41, max: 190 }), { maxLength: 4 }),
    });
    await fc.assert(
      fc.asyncProperty(text, fc.array(draft, { maxLength: 3 }), fc.nat(6), async (bytes, drafts, phase) => {
        const hasty = await read(bytes, drafts, () => false);
        expect(await read(bytes, drafts, (i) => i % 7 === phase)).toEqual(hasty);
        expect(await read(bytes, drafts, () => true)).toEqual(hasty);
      }),
      { numRuns: 20, seed: 4 },
    );
  });

  test('that a pass ahead failed is told to whoever asks next, and does not outlive the stream', async () => {
    const member = await startToy();
    for (const other of [200, 40]) {
      const stream = await member.open(contextOf('x¿'), never); // its last byte is 191
      for (let byte = 192; byte < 200; byte++) await stream.advance(byte);
      await expect(Promise.resolve(stream.advance(other))).rejects.toThrow(/out of ink/);
      stream.release();
    }
    const again = await member.open(contextOf('xa'), never);
    for (let byte = 98; byte < 106; byte++) await again.advance(byte);
    expect(again.distribution[106]).toBe(0.9);
    again.release();
  });

  test('tells what it foresees, as far as that is probable enough, and what is expected is read where it stands', async () => {
    const member = await startToy();
    const stream = await member.open(contextOf('xa'), never);
    expect([...(stream.foreseen?.(0.5) ?? [])]).toEqual([98, 99, 100, 101, 102, 103]);
    expect([...(stream.foreseen?.(0.9 ** 3) ?? [])]).toEqual([98, 99, 100]);
    await stream.advance(98);
    await stream.advance(99);
    expect([...(stream.foreseen?.(0) ?? [])]).toEqual([100, 101, 102, 103]);
    await stream.expect?.(Buffer.from('dxy'));
    expect(stream.distribution[100]).toBe(0.9);
    await stream.advance(120);
    expect(stream.distribution[121]).toBe(0.9);
    stream.release();
  });

  test('can be opened again and again, also while it was at work', async () => {
    const member = await startToy();
    for (let i = 0; i < 50; i++) {
      const stream = await member.open(contextOf('xy'), never);
      const wait = stream.advance(65 + (i % 20));
      if (i % 3) await wait;
      stream.release();
    }
  });

  test('serves commands, also while a stream is open', async () => {
    const member = await startToy();
    expect(await member.call('double', 4)).toBe(8);
    const stream = await member.open(contextOf('xy'), never);
    expect(await member.call('double', 5)).toBe(10);
    await stream.advance(66);
    expect(stream.distribution[67]).toBe(0.9);
    await expect(member.call('halve', 4)).rejects.toThrow(/no command halve/);
    stream.release();
  });

  test('its errors arrive, and it goes on', async () => {
    const member = await startToy();
    await expect(member.open(contextOf(''), never)).rejects.toThrow(/nothing to read/);
    const stream = await member.open(contextOf('xy'), never);
    await expect(stream.advance(0)).rejects.toThrow(/a zero byte/);
    stream.release();
    const again = await member.open(contextOf('xy'), never);
    again.release();
  });

  test('stops reading where the signal says so', async () => {
    const member = await startToy();
    await expect(member.open(contextOf('x'), AbortSignal.abort('stale'))).rejects.toBe('stale');
    const controller = new AbortController();
    const opening = member.open(contextOf('x'.repeat(4000)), controller.signal);
    setImmediate(() => controller.abort('stale'));
    await expect(opening).rejects.toBe('stale');
    const stream = await member.open(contextOf('xy'), never);
    // One for each of its bytes, and perhaps the one ahead already.
    expect([2, 3]).toContain(stream.forwardPasses);
    stream.release();
  });

  test('that crashes becomes an error of its own, for all that waits and comes later', async () => {
    const member = await startToy();
    const stream = await member.open(contextOf('xy'), never);
    await expect(member.call('crash', null)).rejects.toThrow(MemberError);
    await expect(stream.advance(66)).rejects.toThrow(/toy stopped: out of luck/);
    await expect(member.open(contextOf('xy'), never)).rejects.toThrow(MemberError);
    stream.release();
  });
});

describe('a neural member in a worker', () => {
  const source = readFileSync(new URL('../support/source.txt', import.meta.url));

  test('gives the distributions that it gives at home', async () => {
    const { manifest, problem } = await loadMemberManifest(folder);
    if (!manifest) throw problem;
    const home = await openNeuralMember(folder, manifest);
    const away = await startRemoteMember({
      id: 'm',
      kind: 'neural',
      workerUrl: neuralUrl,
      workerData: { folder },
    });
    members.push(away);
    const context = {
      ...contextOf(''),
      prefix: source.subarray(0, 1500),
      suffix: source.subarray(1600, 1900),
    };
    const streams = await Promise.all([home.open(context, never), away.open(context, never)]);
    let nWaits = 0;
    for (const byte of source.subarray(1500, 1600)) {
      const [a, b] = streams.map(({ distribution, evidence }) =>
        Float64Array.of(...distribution, ...evidence),
      );
      expect(Math.max(...a.map((p, i) => Math.abs(p - b[i])))).toBeLessThan(1e-6);
      const waits = streams.map((stream) => stream.advance(byte));
      if (waits[1]) nWaits++;
      await Promise.all(waits);
    }
    expect(nWaits).toBeLessThan(95);
    for (const stream of streams) stream.release();
    await home.close();
  });

  test('answers along what it was told to expect without waiting', async () => {
    const { manifest, problem } = await loadMemberManifest(folder);
    if (!manifest) throw problem;
    const home = await openNeuralMember(folder, manifest);
    const away = await startRemoteMember({
      id: 'm',
      kind: 'neural',
      workerUrl: neuralUrl,
      workerData: { folder },
    });
    members.push(away);
    const context = { ...contextOf(''), prefix: source.subarray(0, 1200) };
    const streams = await Promise.all([home.open(context, never), away.open(context, never)]);
    let nWaits = 0;
    for (let at = 1200; at < 1280; at++) {
      if (at % 20 === 0) await streams[1].expect?.(source.subarray(at, at + 20));
      const waits = streams.map((stream) => stream.advance(source[at]));
      if (waits[1]) nWaits++;
      await Promise.all(waits);
      const [a, b] = streams.map((stream) => stream.distribution);
      expect(Math.max(...a.map((p, i) => Math.abs(p - b[i])))).toBeLessThan(0.05);
    }
    // It looks no further than the line's end; without being told it waits for every second byte.
    expect(nWaits).toBeLessThan(36);
    for (const stream of streams) stream.release();
    await home.close();
  });

  test('that cannot be used says why and how to mend it', async () => {
    const start = startRemoteMember({
      id: 'm',
      kind: 'neural',
      workerUrl: neuralUrl,
      workerData: { folder: '/nowhere' },
    });
    await expect(start).rejects.toThrow(/nowhere has no readable member\.json/);
    await expect(start).rejects.toMatchObject({ name: 'MemberError', hint: expect.stringMatching(/folder/) });
  });
});
