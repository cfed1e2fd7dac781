import { type Blob, integersOf, textOf, textsOf } from './blob.ts';

/** A file of a package, as the header describes it. */
export interface InsideFile {
  /** Type and permissions as in `st_mode`. */
  readonly mode: number;
  readonly user: string;
  readonly group: string;
  /** `cap_net_raw=ep`, or nothing. */
  readonly capabilities: string;
  /** Of a regular file its digest, of a link where it leads; equal ones may be owned by two packages. */
  readonly content: string;
}

/** What a package brings to a host beyond its dependencies. */
export interface Inside {
  readonly vendor: string;
  readonly license: string;
  /** By the name that a spec file gives them (`%post`, `%triggerin -- bash`): interpreter, then text. Absent: not known here. */
  readonly scripts?: ReadonlyMap<string, string>;
  /** By path. Undefined: metadata lists it, and its header is not here. Directories and ghosts are left out. */
  readonly files: ReadonlyMap<string, InsideFile | undefined>;
}

/** rpm's include/rpm/rpmtag.h: of each scriptlet the text and its interpreter. */
const SCRIPTLETS = {
  '%pre': [1023, 1085],
  '%post': [1024, 1086],
  '%preun': [1025, 1087],
  '%postun': [1026, 1088],
  '%pretrans': [1151, 1153],
  '%posttrans': [1152, 1154],
  '%preuntrans': [5104, 5106],
  '%postuntrans': [5105, 5107],
  '%verify': [1079, 1091],
} as const;

/** Texts, interpreters, names, versions, flags, and which script each name belongs to. */
const TRIGGERS = {
  '%trigger': [1065, 1092, 1066, 1067, 1068, 1069],
  '%filetrigger': [5066, 5067, 5069, 5071, 5072, 5070],
  '%transfiletrigger': [5076, 5077, 5079, 5081, 5082, 5080],
} as const;

/** RPMSENSE_TRIGGERIN, _TRIGGERUN, _TRIGGERPOSTUN, _TRIGGERPREIN (include/rpm/rpmds.h). */
const WHEN = [
  [1 << 16, 'in'],
  [1 << 17, 'un'],
  [1 << 18, 'postun'],
  [1 << 25, 'prein'],
] as const;
const OPERATORS = new Map([
  [2, '<'],
  [4, '>'],
  [8, '='],
  [10, '<='],
  [12, '>='],
]);

const FILE = {
  directories: 1118,
  directoryOf: 1116,
  names: 1117,
  oldNames: 1027,
  modes: 1030,
  digests: 1035,
  links: 1036,
  flags: 1037,
  users: 1039,
  groups: 1040,
  capabilities: 5010,
};
const TAG_VENDOR = 1011;
const TAG_LICENSE = 1014;
const GHOST = 1 << 6; // RPMFILE_GHOST
const DIRECTORY = 0o040000;
export const REGULAR = 0o100000;
export const FILE_TYPE = 0o170000;

/** RPM_INVALID where the header's lists do not fit each other. */
export function insideOf(header: Blob, at: string): Inside {
  return {
    vendor: textOf(header, TAG_VENDOR, at) ?? '',
    license: textsOf(header, TAG_LICENSE, at)[0] ?? '',
    scripts: new Map([...scriptlets(header, at), ...triggers(header, at)]),
    files: filesOf(header, at),
  };
}

function* scriptlets(header: Blob, at: string): Iterable<[string, string]> {
  for (const [name, [script, program]] of Object.entries(SCRIPTLETS)) {
    const text = textsOf(header, script, at).join('\n');
    const interpreter = textsOf(header, program, at).join(' ');
    if (text !== '' || interpreter !== '') yield [name, `${interpreter}\n${text}`];
  }
}

function* triggers(header: Blob, at: string): Iterable<[string, string]> {
  for (const [kind, tags] of Object.entries(TRIGGERS)) {
    const [texts, programs, names, versions] = tags.slice(0, 4).map((tag) => textsOf(header, tag, at));
    const [flags, index] = tags.slice(4).map((tag) => integersOf(header, tag, 4, at));
    const conditions = new Map<number, string[]>();
    for (const [i, name] of (names ?? []).entries()) {
      const sense = flags?.[i] ?? 0;
      const operator = OPERATORS.get(sense & 14);
      const when = WHEN.find(([bit]) => (sense & bit) !== 0)?.[1] ?? '';
      const version = operator === undefined ? '' : ` ${operator} ${versions?.[i] ?? ''}`;
      const script = index?.[i] ?? 0;
      const list = conditions.get(script) ?? [];
      conditions.set(script, list);
      list.push(list.length === 0 ? `${kind}${when} -- ${name}${version}` : `, ${name}${version}`);
    }
    for (const [script, words] of [...conditions].sort(([a], [b]) => a - b)) {
      yield [words.join(''), `${programs?.[script] ?? ''}\n${texts?.[script] ?? ''}`];
    }
  }
}

function filesOf(header: Blob, at: string): Map<string, InsideFile> {
  const files = new Map<string, InsideFile>();
  const modes = integersOf(header, FILE.modes, 2, at);
  const flags = integersOf(header, FILE.flags, 4, at);
  const [digests, links, users, groups, capabilities] = [
    FILE.digests,
    FILE.links,
    FILE.users,
    FILE.groups,
    FILE.capabilities,
  ].map((tag) => textsOf(header, tag, at));
  for (const [i, path] of paths(header, at).entries()) {
    const mode = modes[i] ?? 0;
    if ((mode & FILE_TYPE) === DIRECTORY || ((flags[i] ?? 0) & GHOST) !== 0) continue;
    files.set(path, {
      mode,
      user: users?.[i] ?? '',
      group: groups?.[i] ?? '',
      capabilities: capabilities?.[i] ?? '',
      content: digests?.[i] || links?.[i] || '',
    });
  }
  return files;
}

function paths(header: Blob, at: string): string[] {
  const names = textsOf(header, FILE.names, at);
  if (names.length === 0) return textsOf(header, FILE.oldNames, at);
  const directories = textsOf(header, FILE.directories, at);
  const directoryOf = integersOf(header, FILE.directoryOf, 4, at);
  return names.map((name, i) => `${directories[directoryOf[i] ?? 0] ?? ''}${name}`);
}
