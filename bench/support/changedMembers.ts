import { createHash } from 'node:crypto';
import { cp, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import {
  type MemberManifest,
  memberManifestFile,
  memberManifestSchema,
} from '../../src/config/memberManifest.ts';
import { bundledMembersPath, findMembers } from '../../src/server/memberFolders.ts';
import { built } from './models.ts';

/** A folder with copies of the bundled members that say something else of themselves. */
export async function changedMembers(
  cacheFolder: string,
  change: (manifest: MemberManifest) => MemberManifest,
): Promise<string> {
  const members = await Promise.all(
    findMembers(bundledMembersPath()).map(async ({ folder, id }) => {
      const text = await readFile(path.join(folder, memberManifestFile), 'utf8');
      return { folder, id, manifest: change(memberManifestSchema.parse(JSON.parse(text))) };
    }),
  );
  const digest = createHash('sha256').update(JSON.stringify(members)).digest('hex').slice(0, 16);
  return built(path.join(cacheFolder, `members-${digest}`), async (target) => {
    for (const { folder, id, manifest } of members) {
      await cp(folder, path.join(target, id), { recursive: true });
      await writeFile(path.join(target, id, memberManifestFile), JSON.stringify(manifest));
    }
  });
}
