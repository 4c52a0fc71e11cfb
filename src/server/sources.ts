import { basename } from 'node:path';
import '../config/noTelemetry.ts';
import { MemberError } from '../config/memberError.ts';
import type { Settings } from '../config/settings.ts';
import { startRemoteMember } from '../lm/remoteMember.ts';
import type { Library } from './library.ts';
import { bundledMembersPath, duplicateProblem, findMembers, type MemberFolder } from './memberFolders.ts';
import type { MemberSource } from './memberHost.ts';

const isBuilt = !import.meta.url.endsWith('.ts');
const neuralWorkerUrl = new URL(isBuilt ? 'memberWorker.js' : '../lm/memberWorker.ts', import.meta.url);
const ngramWorkerUrl = new URL(isBuilt ? 'ngramWorker.js' : 'ngramWorker.ts', import.meta.url);

const ngramId = 'workspace';

/**
 * Every neural member that can be found: the bundled ones and, where the workspace is trusted, those of the
 * person's own folder. A folder that cannot be read stands there as a member that failed, for all to see.
 */
export function neuralSources(
  settings: Settings,
  { modelsPath, trusted }: { readonly modelsPath: string | undefined; readonly trusted: boolean },
): readonly MemberSource[] {
  const found: MemberFolder[] = [];
  const unreadable: MemberSource[] = [];
  const find = (path: string, hint: string) => {
    try {
      found.push(...findMembers(path));
    } catch (error) {
      unreadable.push(unreadableFolder(path, error, hint));
    }
  };
  find(modelsPath ?? bundledMembersPath(), 'Install Consort again.');
  if (settings.membersPath !== '' && trusted) {
    find(settings.membersPath, 'Correct the setting consort.membersPath, or empty it.');
  }
  const members = found.map((member, i) => {
    const problem = duplicateProblem(found, i);
    return problem ? duplicate(member, problem) : neuralSource(member);
  });
  return [...members, ...unreadable];
}

/** The n-gram of the workspace, which is told what the library holds as soon as it runs. */
export function ngramSource(settings: Settings, library: Library): MemberSource {
  const maximumBytes = settings['index.maximumMegabytes'] * 1e6;
  return {
    key: `${ngramId} ${maximumBytes}`,
    id: ngramId,
    kind: 'ngram',
    name: 'Workspace n-gram',
    languages: '*',
    sizeBytes: () => library.memoryBytes,
    async start() {
      const member = await startRemoteMember({
        id: ngramId,
        kind: 'ngram',
        workerUrl: ngramWorkerUrl,
        workerData: { id: ngramId, maximumBytes },
      });
      await library.attach(member);
      return member;
    },
  };
}

function neuralSource({ folder, id, name, languages, bytes }: MemberFolder): MemberSource {
  return {
    key: folder,
    id,
    kind: 'neural',
    name,
    languages,
    sizeBytes: () => bytes,
    start: () =>
      startRemoteMember({ id, kind: 'neural', workerUrl: neuralWorkerUrl, workerData: { folder } }),
  };
}

function duplicate(member: MemberFolder, problem: MemberError): MemberSource {
  return { ...neuralSource(member), id: member.folder, start: () => Promise.reject(problem) };
}

function unreadableFolder(folder: string, error: unknown, hint: string): MemberSource {
  const reason = error instanceof Error && 'code' in error ? error.code : error;
  const problem = new MemberError(`The folder of members ${folder} cannot be read (${reason})`, hint);
  const member = { folder, id: folder, name: basename(folder), languages: '*', bytes: 0 } as const;
  return { ...neuralSource(member), start: () => Promise.reject(problem) };
}
