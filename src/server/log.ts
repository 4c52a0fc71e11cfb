import type { Settings } from '../config/settings.ts';

export type LogLevel = Exclude<Settings['log.level'], 'off'>;

/** Takes messages for people. Never give it source text, file contents or anything derived from them. */
export interface Log {
  error(message: string): void;
  warn(message: string): void;
  info(message: string): void;
  debug(message: string): void;
  /** The least important level that is still written, from now on. */
  setLevel(level: Settings['log.level']): void;
}

const importance = { off: 0, error: 1, warn: 2, info: 3, debug: 4 } as const;

export function createLog(
  write: (level: LogLevel, message: string) => void,
  level: Settings['log.level'],
): Log {
  let threshold: number = importance[level];
  const at = (messageLevel: LogLevel) => (message: string) => {
    if (importance[messageLevel] <= threshold) write(messageLevel, message);
  };
  return {
    error: at('error'),
    warn: at('warn'),
    info: at('info'),
    debug: at('debug'),
    setLevel: (newLevel) => {
      threshold = importance[newLevel];
    },
  };
}
