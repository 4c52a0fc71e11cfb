import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** Whether the machine runs on its battery; false where that cannot be told. */
export async function isOnBattery(platform: NodeJS.Platform = process.platform): Promise<boolean> {
  try {
    if (platform === 'linux') return await isDischarging('/sys/class/power_supply');
    if (platform === 'darwin') return (await ask('pmset', ['-g', 'ps'])).includes('Battery Power');
    if (platform === 'win32') return (await ask('powershell', windowsQuery)).trim() === '1';
  } catch {
    // No such folder or program: a machine without a battery, as far as is known.
  }
  return false;
}

/** By the kernel's list of supplies: a battery that is discharging, of the machine itself and not of a mouse. */
export async function isDischarging(folder: string): Promise<boolean> {
  const read = async (supply: string, property: string) =>
    (await readFile(join(folder, supply, property), 'utf8').catch(() => '')).trim();
  for (const supply of await readdir(folder)) {
    const isBattery =
      (await read(supply, 'type')) === 'Battery' && (await read(supply, 'scope')) !== 'Device';
    if (isBattery && (await read(supply, 'status')) === 'Discharging') return true;
  }
  return false;
}

/** 1: the battery is discharging. */
const windowsQuery = ['-NoProfile', '-Command', '(Get-CimInstance Win32_Battery).BatteryStatus'];

async function ask(program: string, args: readonly string[]): Promise<string> {
  return (await promisify(execFile)(program, args, { timeout: 5000 })).stdout;
}
