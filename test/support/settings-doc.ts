import { z } from 'zod';
import { settingsSchema } from '../../src/config/settings.ts';

interface JsonSchema {
  readonly type?: string;
  readonly enum?: readonly string[];
  readonly description?: string;
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly items?: JsonSchema;
  readonly required?: readonly string[];
}

/** docs/settings.md, made from the schema: one row per setting, in the order of the file. */
export function settingsDoc(): string {
  const schema = z.toJSONSchema(settingsSchema, { io: 'input', unrepresentable: 'any' }) as JsonSchema;
  const sections = Object.entries(schema.properties ?? {}).map(([name, section]) =>
    sectionDoc(name, section),
  );
  return `${INTRODUCTION}\n${sections.join('\n')}`;
}

const INTRODUCTION = `# Settings

\`samebytes serve --config FILE\` reads YAML. Every setting has a default, so an empty file is a valid one; a name that
is not below is an error, and all errors are told at once, each with its path. Times are in milliseconds.

Some can be set from outside the file, strongest first: flags (\`samebytes serve --help\`), then the environment variables
\`SAMEBYTES_WEBHOOK_PORT\`, \`SAMEBYTES_CERT_FILE\`, \`SAMEBYTES_KEY_FILE\`, \`SAMEBYTES_HEALTH_PORT\`, \`SAMEBYTES_DASHBOARD_PORT\`,
\`SAMEBYTES_KUBECONFIG\`, \`SAMEBYTES_PIN_STORE\` and \`SAMEBYTES_LOG_LEVEL\`, then the file.

A test makes this page from the settings' own descriptions (\`src/config/settings.ts\`) and compares; after a change,
\`UPDATE_DOCS=1 npm test -- settings-doc\` writes it anew.
`;

function sectionDoc(name: string, section: JsonSchema): string {
  const rows = rowsOf(name, section);
  const table = ['| setting | type | default | meaning |', '| --- | --- | --- | --- |', ...rows].join('\n');
  return `## ${name}\n\n${section.description ?? ''}\n\n${table}\n`;
}

function rowsOf(path: string, schema: JsonSchema): string[] {
  const properties = schema.properties ?? schema.items?.properties ?? {};
  const prefix = schema.items?.properties === undefined ? path : `${path}[]`;
  const required = new Set(schema.properties === undefined ? schema.items?.required : []);
  return Object.entries(properties).flatMap(([name, field]) => {
    const nested = field.items?.properties === undefined ? [] : rowsOf(`${prefix}.${name}`, field);
    const fallback = required.has(name) ? 'required' : field.default === undefined ? '' : code(field.default);
    return [
      `| \`${prefix}.${name}\` | ${typeOf(field)} | ${fallback} | ${cell(field.description ?? '')} |`,
      ...nested,
    ];
  });
}

function typeOf({ type, enum: values, items }: JsonSchema): string {
  if (values !== undefined) return values.map((value) => `\`${value}\``).join(', ');
  if (items !== undefined) return items.properties === undefined ? 'list of texts' : 'list';
  return type === 'string' ? 'text' : (type ?? '');
}

function code(value: unknown): string {
  return `\`${JSON.stringify(value)}\``;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}
