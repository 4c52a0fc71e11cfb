import { homedir } from 'node:os';
import { join } from 'node:path';

/** Where the ledger is without an editor: in CONSORT_STORAGE, or else the platform's folder for a program's data. */
export function defaultLedgerPath(
  environment: Readonly<Record<string, string | undefined>>,
  platform: NodeJS.Platform,
): string {
  const { CONSORT_STORAGE, LOCALAPPDATA, XDG_DATA_HOME } = environment;
  if (CONSORT_STORAGE) return ledgerIn(CONSORT_STORAGE);
  if (platform === 'win32') {
    return ledgerIn(join(LOCALAPPDATA || join(homedir(), 'AppData', 'Local'), 'Consort'));
  }
  if (platform === 'darwin') return ledgerIn(join(homedir(), 'Library', 'Application Support', 'Consort'));
  return ledgerIn(join(XDG_DATA_HOME || join(homedir(), '.local', 'share'), 'consort'));
}

/** The ledger in a folder for a program's data. */
export function ledgerIn(storagePath: string): string {
  return join(storagePath, 'ledger.sqlite');
}
