import { readText, type Workbench } from './workbench.ts';

export async function atEndOfFile(workbench: Workbench): Promise<void> {
  await focusEditor(workbench);
  await workbench.page.keyboard.press('Control+End');
}

export async function focusEditor({ page }: Workbench): Promise<void> {
  await page.keyboard.press('Control+Digit1');
}

/** Types as a person does. */
export async function type({ page }: Workbench, text: string): Promise<void> {
  await page.keyboard.type(text, { delay: 20 });
}

/** Saves the active editor and returns what stands in the file then. */
export async function save({ page, workspace }: Workbench, path: string): Promise<string> {
  await page.locator('.tab.active.dirty').waitFor();
  await page.keyboard.press('Control+KeyS');
  await page.locator('.tab.active:not(.dirty)').waitFor();
  return readText(workspace, path);
}

export function equal(actual: unknown, expected: unknown): void {
  const [given, wanted] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (given !== wanted) throw new Error(`expected ${wanted}\n     got ${given}`);
}

export function matches(actual: string, expected: RegExp): void {
  if (!expected.test(actual)) throw new Error(`expected ${expected}, got ${JSON.stringify(actual)}`);
}
