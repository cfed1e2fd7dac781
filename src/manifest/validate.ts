import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import { Fault, quote, quoteUrl } from '../base/fault.ts';
import type { Path, YamlDocument, YamlOptions } from './yaml.ts';

/** A schema that is compiled when it is first asked: 35 ms each, and most commands ask none or one. */
export type Schema<T> = () => ValidateFunction<T>;

/** A closed schema; `T` is what a document that passes it looks like (all scalars are strings). */
export function compileSchema<T>(schema: object): Schema<T> {
  let compiled: ValidateFunction<T> | undefined;
  return () => {
    compiled ??= compile<T>(schema);
    return compiled;
  };
}

function compile<T>(schema: object): ValidateFunction<T> {
  // verbose: an error carries the schema that it breaks, whose `title` says in words what is wanted
  const ajv = new Ajv({
    strict: true,
    allErrors: true,
    verbose: true,
    allowUnionTypes: true,
    strictRequired: true,
    validateSchema: false, // a test asks the schema of schemas: half of the time that compiling takes
    meta: false,
    code: { optimize: false }, // takes as long as compiling, for documents that have some hundred keys at most
  });
  return ajv.compile<T>(schema);
}

/** Everything that a document has against a schema, each complaint with the key, what it must be, and the place. */
export function complaints<T>(doc: YamlDocument, schema: Schema<T>, code: YamlOptions['code']): Fault[] {
  const valid = schema();
  if (valid(doc.data)) return [];
  const seen = new Set<string>();
  const faults: Fault[] = [];
  for (const error of valid.errors ?? []) {
    if (error.keyword === 'propertyNames') continue; // says again what the keyword below it said
    const fault = explain(doc, error, code);
    if (seen.has(`${fault.at} ${fault.message}`)) continue;
    seen.add(`${fault.at} ${fault.message}`);
    faults.push(fault);
  }
  return faults;
}

/** The document's data, typed; throws the first complaint. */
export function validated<T>(doc: YamlDocument, schema: Schema<T>, code: YamlOptions['code']): T {
  const [first] = complaints(doc, schema, code);
  if (first) throw first;
  return doc.data as T; // the only cast: the schema has just been asked
}

/** `tiers.stable.wait` */
export function pathText(path: Path): string {
  let text = '';
  for (const step of path) text += typeof step === 'number' ? `[${step}]` : `${text && '.'}${wordOf(step)}`;
  return text || 'the file';
}

function wordOf(key: string): string {
  return /^[\w.+~^:-]{1,100}$/.test(key) ? key : quote(key);
}

function explain(doc: YamlDocument, error: ErrorObject, code: YamlOptions['code']): Fault {
  const path = steps(doc.data, error.instancePath);
  const key = pathText(path);
  const params = error.params as Readonly<Record<string, unknown>>;
  const fault = (message: string, at: string, hint: string): Fault => new Fault(code, message, { hint, at });
  // JSON Schema's word for what is given and never shown again: somebody may have written the secret itself there.
  const isSecret = error.parentSchema?.['writeOnly'] === true;
  if (error.keyword === 'additionalProperties') {
    const unknown = String(params['additionalProperty']);
    const known = Object.keys((error.parentSchema?.['properties'] as object | undefined) ?? {});
    const meant = known.find((name) => isClose(name, unknown));
    const hint = meant ? `Did you mean "${meant}"?` : `Use one of: ${known.join(', ')}.`;
    const named = isSecret ? '' : ` ${quote(unknown)}`;
    return fault(`${key} has the unknown key${named}`, doc.at([...path, unknown], 'key'), hint);
  }
  if (error.keyword === 'required') {
    const missing = String(params['missingProperty']);
    return fault(
      `${key} lacks the key "${missing}"`,
      doc.at(path, 'key'),
      `Add ${missing}: ${wanted(error, missing)}.`,
    );
  }
  if (error.propertyName !== undefined) {
    const message = `${quote(error.propertyName)} in ${key} is not ${titleOf(error.parentSchema) ?? error.message}`;
    return fault(message, doc.at([...path, error.propertyName], 'key'), 'Correct the key.');
  }
  const must = titleOf(error.parentSchema) ?? mustBe(error, params);
  const found = isSecret && typeof error.data === 'string' ? 'what is written there' : shown(error.data);
  return fault(`${key} must be ${must}, not ${found}`, doc.at(path), 'Correct the value.');
}

function titleOf(schema: object | undefined): string | undefined {
  const title = (schema as { title?: unknown } | undefined)?.title;
  return typeof title === 'string' ? title : undefined;
}

function wanted(error: ErrorObject, key: string): string {
  const properties = error.parentSchema?.['properties'] as Record<string, object> | undefined;
  return titleOf(properties?.[key]) ?? 'see the schema of this kind of file';
}

function mustBe(error: ErrorObject, params: Readonly<Record<string, unknown>>): string {
  if (error.keyword === 'const') return JSON.stringify(params['allowedValue']);
  if (error.keyword === 'enum') return `one of ${[params['allowedValues']].flat().join(', ')}`;
  if (error.keyword === 'type') return `of the type ${[params['type']].flat().join(' or ')}`;
  return `something that ${error.message ?? 'the schema allows'}`;
}

function shown(data: unknown): string {
  if (typeof data === 'string') return data.includes('@') ? quoteUrl(data) : quote(data);
  if (data === null || data === undefined) return 'empty';
  if (Array.isArray(data)) return data.length === 0 ? 'an empty list' : `a list of ${data.length}`;
  return Object.keys(data).length === 0 ? 'an empty map' : 'a map';
}

/** From a JSON pointer; digits are an index where the document has a list. */
function steps(data: unknown, pointer: string): Path {
  const path: (string | number)[] = [];
  let here = data;
  for (const part of pointer.split('/').slice(1)) {
    const step = part.replaceAll('~1', '/').replaceAll('~0', '~');
    path.push(Array.isArray(here) ? Number(step) : step);
    here = (here as Record<string, unknown> | null)?.[step];
  }
  return path;
}

/** One letter more, less or other, or two neighbours swapped: a slip of the hand. */
function isClose(a: string, b: string): boolean {
  if (Math.abs(a.length - b.length) > 1 || a === b) return a === b;
  let start = 0;
  while (start < a.length && a[start] === b[start]) start += 1;
  let end = 0;
  while (end < Math.min(a.length, b.length) - start && a.at(-1 - end) === b.at(-1 - end)) end += 1;
  const restA = a.slice(start, a.length - end);
  const restB = b.slice(start, b.length - end);
  if (restA.length <= 1 && restB.length <= 1) return true;
  return restA.length === 2 && restB.length === 2 && restA === [...restB].reverse().join('');
}
