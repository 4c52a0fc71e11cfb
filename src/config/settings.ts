import * as z from 'zod';

/**
 * Every setting, each declared once under its name without `consort.`. package.json's
 * `contributes.configuration` and README's table are made from this by `scripts/generateSettings.ts`.
 */
export const settingsSchema = z.strictObject({
  enable: setting(z.boolean(), {
    default: true,
    scope: 'window',
    description: 'Show completions as ghost text while you type.',
  }),
  languages: setting(z.record(z.string(), z.boolean()), {
    default: { '*': true, plaintext: false, markdown: false, scminput: false },
    scope: 'window',
    description:
      'For which languages to show completions, by language identifier; `*` stands for every language not listed.',
  }),
  debounceMs: setting(
    z
      .strictObject({
        minimum: z.number().min(0).max(5000).describe('Shortest wait in milliseconds.'),
        maximum: z.number().min(0).max(5000).describe('Longest wait in milliseconds.'),
      })
      .refine((wait) => wait.minimum <= wait.maximum, 'minimum must not exceed maximum'),
    {
      default: { minimum: 20, maximum: 200 },
      scope: 'window',
      description:
        'How long to wait after the last keystroke before a completion is asked for, in milliseconds. Between the two bounds the wait follows how fast this machine answers.',
    },
  ),
  disabledMembers: setting(z.array(z.string().min(1)), {
    default: [],
    scope: 'window',
    description: 'Members of the ensemble that are left out, by id. The panel and the log show the ids.',
  }),
  membersPath: setting(z.string(), {
    default: '',
    scope: 'machine',
    restricted: true,
    description:
      'A folder with further members: each folder in it that holds a `member.json` is one. Empty for none.',
  }),
  policy: setting(z.enum(['hedge', 'fixedShare', 'uniform', 'ppo', 'mappo', 'gate']), {
    default: 'mappo',
    scope: 'window',
    description:
      'What sets the weights of the members, token by token. Without training: `hedge` follows who predicted the text before the cursor best, `fixedShare` does so as published, less cautiously, `uniform` trusts all alike. Learned: `ppo` (one agent for the bundled members), `mappo` (one agent per member, for any members) and `gate` (learned from text alone); they bring their own combiner, and `ppo` and `mappo` also decide how much to show.',
  }),
  policyPath: setting(z.string(), {
    default: '',
    scope: 'machine',
    restricted: true,
    description: 'The file of a learned policy to use in place of `consort.policy`. Empty for none.',
  }),
  combiner: setting(z.enum(['linear', 'geometric']), {
    default: 'linear',
    scope: 'window',
    description:
      'How the predictions are combined: their weighted sum (`linear`) or their weighted product (`geometric`). A learned policy brings its own.',
  }),
  minimumConfidence: setting(z.number().min(0).max(1), {
    default: 0.1,
    scope: 'window',
    description:
      'A completion is shown only if the ensemble gives the whole of it at least this probability, from 0 (show all) to 1 (show none). One that is asked for by hand is always shown.',
  }),
  maximumFileKilobytes: setting(z.number().int().min(1).max(20_000), {
    default: 2000,
    scope: 'window',
    description: 'Files above this size, in kilobytes, get no completions and are not indexed.',
  }),
  'index.enable': setting(z.boolean(), {
    default: true,
    scope: 'window',
    description:
      'Let the workspace member read the files of the workspace (those that are not ignored by `.gitignore`, binary, generated, secret-like or huge). Without it, it knows the open files only.',
  }),
  'index.maximumMegabytes': setting(z.number().int().min(1).max(1000), {
    default: 50,
    scope: 'window',
    description: 'How much text of the workspace the workspace member reads at most, in megabytes.',
  }),
  'index.persist': setting(z.boolean(), {
    default: true,
    scope: 'window',
    description:
      "Keep what the workspace member has read from one session to the next, in a file of the editor's storage that only you may read, so that the workspace need not be read again. Turning this or `consort.index.enable` off removes the file.",
  }),
  'learning.enable': setting(z.boolean(), {
    default: true,
    scope: 'window',
    description:
      'Let Consort learn, on this machine, from what you accept and reject, in the workspaces where you have agreed to that. Without it nothing is recorded anywhere, and you are not asked.',
  }),
  'learning.excludedFiles': setting(z.array(z.string().min(1)), {
    default: ['**/.env*', '*.pem', '*.key', 'secrets.*'],
    scope: 'window',
    description: 'Files that nothing is learned from, as patterns like those of `.gitignore`.',
  }),
  'learning.excludedLanguages': setting(z.array(z.string().min(1)), {
    default: [],
    scope: 'window',
    description: 'Languages that nothing is learned from, by language identifier.',
  }),
  'learning.retentionDays': setting(z.number().int().min(1).max(3650), {
    default: 90,
    scope: 'machine',
    description: 'After how many days what was recorded is removed. Learned policies stay.',
  }),
  'log.level': setting(z.enum(['off', 'error', 'warn', 'info', 'debug']), {
    default: 'info',
    scope: 'window',
    description: 'How much goes to the log. No level writes source text.',
  }),
});

/** The settings by their names without `consort.`, all valid. */
export type Settings = Readonly<z.infer<typeof settingsSchema>>;

/**
 * Reads the `consort` section, nested (`{ index: { enable } }`) or with dotted names (`{ 'index.enable' }`).
 * A setting that is not valid gets its default and one message that names it; an unknown one gets a message.
 */
export function parseSettings(section: unknown): {
  readonly settings: Settings;
  readonly problems: readonly string[];
} {
  const problems: string[] = [];
  const valid: Record<string, unknown> = {};
  const schemas = new Map<string, z.ZodType>(Object.entries(settingsSchema.shape));
  for (const [name, value] of flatten(section, problems)) {
    const schema = schemas.get(name);
    if (schema === undefined) {
      problems.push(`consort.${name}: there is no such setting; it is ignored.`);
    } else if (value !== undefined && value !== null) {
      const parsed = schema.safeParse(value);
      if (parsed.success) valid[name] = value;
      else problems.push(`consort.${name}: ${explain(parsed.error)}. The default is used.`);
    }
  }
  return { settings: settingsSchema.parse(valid), problems };
}

export const defaultSettings: Settings = settingsSchema.parse({});

/** Whether completions are wanted for a language: its own entry, else that of `*`, else yes. */
export function isLanguageEnabled(settings: Settings, languageId: string): boolean {
  const { languages } = settings;
  if (Object.hasOwn(languages, languageId)) return languages[languageId];
  return Object.hasOwn(languages, '*') ? languages['*'] : true;
}

interface About<Value> {
  readonly default: Value;
  readonly description: string;
  /** Where VS Code lets it be set: a `machine` setting cannot come from a workspace. */
  readonly scope: 'window' | 'machine';
  /** True where a workspace must be trusted before its value counts. */
  readonly restricted?: boolean;
}

function setting<Schema extends z.ZodType>(
  schema: Schema,
  about: About<z.util.NoUndefined<z.output<Schema>>>,
) {
  const { default: value, ...meta } = about;
  return schema.default(value).meta(meta);
}

function flatten(section: unknown, problems: string[]): Map<string, unknown> {
  const given = new Map<string, unknown>();
  if (section === undefined || section === null) return given;
  const parsed = z.record(z.string(), z.unknown()).safeParse(section);
  if (!parsed.success) {
    problems.push('consort: the settings must be an object. The defaults are used.');
    return given;
  }
  const groups = new Set(Object.keys(settingsSchema.shape).map((name) => name.split('.')[0]));
  for (const [name, value] of Object.entries(parsed.data)) {
    const isGroup = groups.has(name) && !(name in settingsSchema.shape);
    const inner = isGroup ? z.record(z.string(), z.unknown()).safeParse(value) : undefined;
    if (!inner?.success) given.set(name, value);
    else for (const [key, leaf] of Object.entries(inner.data)) given.set(`${name}.${key}`, leaf);
  }
  return given;
}

function explain(error: z.ZodError): string {
  const [issue] = error.issues;
  const where = issue.path.length > 0 ? ` (at ${issue.path.join('.')})` : '';
  return `${issue.message}${where}`;
}
