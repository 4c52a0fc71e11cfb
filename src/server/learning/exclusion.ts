import ignore from 'ignore';
import type { Settings } from '../../config/settings.ts';
import type { Place } from '../policyStore.ts';
import { isSecretLike } from '../workspaceFiles.ts';

/** Whether nothing may be learned from a file, by the settings and, whatever they say, by names that secrets have. */
export function createExclusion(
  settings: Pick<Settings, 'learning.excludedFiles' | 'learning.excludedLanguages'>,
): (place: Place) => boolean {
  const files = ignore().add([...settings['learning.excludedFiles']]);
  const languages = new Set(settings['learning.excludedLanguages']);
  return ({ uri, languageId }) => {
    if (languages.has(languageId)) return true;
    const path = pathOf(uri);
    return path === null || isSecretLike(path) || files.ignores(path);
  };
}

/** Without the slash at its start; null where there is none or it cannot be read. */
function pathOf(uri: string): string | null {
  try {
    return decodeURIComponent(new URL(uri).pathname).replace(/^\/+/, '') || null;
  } catch {
    return null;
  }
}
