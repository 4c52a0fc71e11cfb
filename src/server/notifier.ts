import type { Connection } from 'vscode-languageserver';

type Notified = Pick<Connection, 'sendNotification'>;

/** An editor that has gone away needs no notification: a connection that is closed throws or rejects. */
export async function send(connection: Notified, method: string, payload: object): Promise<void> {
  try {
    await connection.sendNotification(method, payload);
  } catch {
    // Nobody is there to be told.
  }
}

/** Sends what is the same as the last time only once. */
export function createNotifier(connection: Notified) {
  const last = new Map<string, string>();
  /** Whether this is something else than the last time on this channel. */
  const isNews = (channel: string, payload: unknown) => {
    const text = JSON.stringify(payload);
    if (last.get(channel) === text) return false;
    last.set(channel, text);
    return true;
  };
  return {
    isNews,
    send(method: string, payload: object, channel = method): void {
      if (isNews(channel, payload)) void send(connection, method, payload);
    },
  };
}
