import { readlinkSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { basename } from 'node:path';

/**
 * From now on the calling thread, and no other of its process, takes what the others leave of the processors. Where a thread
 * cannot be told from its process, everywhere but on Linux, nothing changes.
 */
export function giveWayToOtherThreads(): void {
  if (process.platform !== 'linux') return;
  try {
    // PROCESS/task/THREAD; to the kernel a thread has a priority as a process has.
    const thread = Number(basename(readlinkSync('/proc/thread-self')));
    setPriority(thread, constants.priority.PRIORITY_LOW);
  } catch {
    // There is no /proc: the pauses have to do.
  }
}
