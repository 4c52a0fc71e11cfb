import * as vscode from 'vscode';
import {
  choosePolicy,
  type EraseLearnedResult,
  eraseLearned,
  exportLearned,
  type LearningAnswer,
  type LearningReport,
  type LearningStatus,
  learningReport,
  setConsent,
} from '../protocol/messages.ts';
import type { BackgroundProcess } from './client.ts';
import type { ConsentAnswer, ConsentMemory } from './consentPrompt.ts';
import { detailsOf, missingText, namesOfStates } from './learnedVersions.ts';

/** What the palette offers about learning. Every command says what it did, or why not. */
export interface LearningCommands {
  readonly agree: () => Promise<void>;
  readonly toggle: () => Promise<void>;
  readonly show: () => Promise<void>;
  readonly exportAll: () => Promise<void>;
  readonly eraseAll: () => Promise<void>;
  readonly reset: () => Promise<void>;
  readonly rollBack: () => Promise<void>;
}

export function createLearningCommands(
  background: Pick<BackgroundProcess, 'isRunning' | 'ask'>,
  status: () => LearningStatus | null,
): LearningCommands {
  return { agree, toggle, show, exportAll, eraseAll, reset, rollBack };

  async function agree(): Promise<void> {
    if ((await ask(setConsent, { granted: true })) === undefined) return;
    tell(vscode.l10n.t('Consort now learns in this workspace. The panel and the palette tell what.'));
  }

  async function toggle(): Promise<void> {
    const state = status()?.state ?? 'unavailable';
    if (state === 'unavailable') return fail(status()?.message ?? unavailable());
    if (state === 'off') {
      const yes = vscode.l10n.t('Turn Learning On');
      if (await confirm(vscode.l10n.t('Let Consort learn in this workspace?'), whatIsStored(), yes))
        await agree();
      return;
    }
    const question = vscode.l10n.t('Stop learning in this workspace?');
    const consequence = vscode.l10n.t('What was recorded of it is removed. Learned policies stay.');
    if (!(await confirm(question, consequence, vscode.l10n.t('Turn Learning Off')))) return;
    if ((await ask(setConsent, { granted: false })) === undefined) return;
    tell(vscode.l10n.t('Consort no longer learns in this workspace, and what was recorded of it is gone.'));
  }

  async function show(): Promise<void> {
    const report = await ask<LearningReport>(learningReport);
    if (report === undefined) return;
    const { versions, progress } = report;
    const title = vscode.l10n.t('What Consort has learned on this machine');
    const chosen = await vscode.window.showQuickPick<VersionItem>([...counts(report), ...items(report)], {
      title,
      placeHolder:
        versions.length === 0
          ? vscode.l10n.t('No policy has been learned yet. {0}', missingText(progress))
          : vscode.l10n.t('Choose a version to let it serve'),
      matchOnDetail: true,
    });
    if (chosen?.version !== undefined) await choose(chosen.version);
  }

  async function rollBack(): Promise<void> {
    const report = await ask<LearningReport>(learningReport);
    if (report === undefined) return;
    const earlier = report.versions.filter(({ state }) => state !== 'champion');
    if (earlier.length === 0) return tell(vscode.l10n.t('There is no other version to go back to.'));
    const placeHolder = vscode.l10n.t('Choose the version that serves from now on');
    const chosen = await vscode.window.showQuickPick(items({ ...report, versions: earlier }), {
      placeHolder,
    });
    if (chosen?.version !== undefined) await choose(chosen.version);
  }

  async function choose(version: number): Promise<void> {
    if ((await ask(choosePolicy, { version })) === undefined) return;
    tell(vscode.l10n.t('Version {0} serves from now on.', version));
  }

  async function reset(): Promise<void> {
    if ((await ask(choosePolicy, { version: null })) === undefined) return;
    tell(
      vscode.l10n.t(
        'The shipped policy serves from now on. What was learned is kept and can be chosen again.',
      ),
    );
  }

  async function exportAll(): Promise<void> {
    const uri = await vscode.window.showSaveDialog({
      filters: { [vscode.l10n.t('JSON lines')]: ['jsonl'] },
      saveLabel: vscode.l10n.t('Export'),
      title: vscode.l10n.t('Export what Consort has recorded'),
    });
    if (uri === undefined) return;
    if (uri.scheme !== 'file')
      return fail(vscode.l10n.t('Choose a file on the machine that Consort runs on.'));
    const nLines = await ask<number>(exportLearned, { path: uri.fsPath });
    if (nLines !== undefined) tell(vscode.l10n.t('Exported: {0} lines to {1}', nLines, uri.fsPath));
  }

  async function eraseAll(): Promise<void> {
    const question = vscode.l10n.t('Erase everything that Consort has recorded and learned?');
    const consequence = vscode.l10n.t(
      'For all workspaces, learned policies included. Learning is off everywhere afterwards.',
    );
    if (!(await confirm(question, consequence, vscode.l10n.t('Erase')))) return;
    const erased = await ask<EraseLearnedResult>(eraseLearned);
    if (erased !== undefined) {
      tell(vscode.l10n.t('Erased: {0} kB. Nothing is recorded any more.', (erased.bytes / 1000).toFixed(0)));
    }
  }

  /** Undefined where it was not done; then the person has been told why. */
  async function ask<Value = null>(method: string, params?: object): Promise<Value | undefined> {
    if (!background.isRunning) {
      fail(vscode.l10n.t('The background process is not running. Restart it and try again.'));
      return undefined;
    }
    try {
      const answer: LearningAnswer<Value> = await background.ask(method, params);
      if (answer.problem === undefined) return answer.value;
      fail(answer.problem);
    } catch (error) {
      fail(error instanceof Error ? error.message : String(error));
    }
    return undefined;
  }
}

/** The question that is asked once, beside the work and not in its way. */
export async function askForConsent(): Promise<ConsentAnswer> {
  const yes = vscode.l10n.t('Yes');
  const no = vscode.l10n.t('No');
  const never = vscode.l10n.t("Don't Ask Again");
  const question = vscode.l10n.t('May Consort learn from what you accept and reject in this workspace?');
  const chosen = await vscode.window.showInformationMessage(`${question} ${whatIsStored()}`, yes, no, never);
  return chosen === yes ? 'yes' : chosen === no ? 'no' : chosen === never ? 'never' : 'dismissed';
}

/** What the person has said: in this workspace by the workspace's memory, everywhere by the person's own. */
export function consentMemory({ globalState, workspaceState }: vscode.ExtensionContext) {
  return {
    memory: (): ConsentMemory => ({
      never: globalState.get<boolean>(neverKey) === true,
      asked: workspaceState.get<boolean>(askedKey) === true,
    }),
    async remember({ never, asked }: Partial<ConsentMemory>): Promise<void> {
      if (never !== undefined) await globalState.update(neverKey, never);
      if (asked !== undefined) await workspaceState.update(askedKey, asked);
    },
  };
}

const neverKey = 'learning.neverAsk';
const askedKey = 'learning.asked';

function whatIsStored(): string {
  return vscode.l10n.t(
    'It keeps numbers about completions on this machine, never source text or file names, and sends nothing.',
  );
}

function unavailable(): string {
  return vscode.l10n.t(
    'Learning needs a folder that is open and trusted, and the setting consort.learning.enable.',
  );
}

interface VersionItem extends vscode.QuickPickItem {
  readonly version?: number;
}

function counts({ completions, shown, outcomes, texts }: LearningReport): readonly VersionItem[] {
  const { accepted, partlyAccepted, rejected, ignored } = outcomes;
  return [
    {
      label: vscode.l10n.t('$(database) {0} completions recorded, {1} with a text', completions, shown),
      detail: vscode.l10n.t(
        '{0} accepted, {1} in part, {2} rejected, {3} ignored; {4} texts scored',
        accepted,
        partlyAccepted,
        rejected,
        ignored,
        texts,
      ),
    },
    { label: vscode.l10n.t('Versions'), kind: vscode.QuickPickItemKind.Separator },
  ];
}

function items({ versions, progress }: LearningReport): readonly VersionItem[] {
  const names = namesOfStates();
  return versions.map((version) => ({
    version: version.version,
    label: vscode.l10n.t('$(versions) Version {0}', version.version),
    description: `${names[version.state]} · ${version.origin} · ${new Date(version.created).toLocaleString()}`,
    detail: detailsOf(version, progress),
  }));
}

async function confirm(question: string, detail: string, yes: string): Promise<boolean> {
  const chosen = await vscode.window.showWarningMessage(question, { modal: true, detail }, yes);
  return chosen === yes;
}

function tell(message: string): void {
  void vscode.window.showInformationMessage(message);
}

function fail(message: string): void {
  void vscode.window.showErrorMessage(message);
}
