import { type Capability, overlaps } from './capability.ts';

/** Features of the package format, and the rpm that brought each: what rpm 6 lists in rpmlibProvides (lib/rpmds.cc). */
const FEATURES: Readonly<Record<string, readonly [version: string, release: string]>> = {
  BuiltinLuaScripts: ['4.2.2', '1'],
  CaretInVersions: ['4.15.0', '1'],
  CompressedFileNames: ['3.0.4', '1'],
  ConcurrentAccess: ['4.1', '1'],
  DynamicBuildRequires: ['4.15.0', '1'],
  ExplicitPackageProvide: ['4.0', '1'],
  FileCaps: ['4.6.1', '1'],
  FileDigests: ['4.6.0', '1'],
  HeaderLoadSortsTags: ['4.0.1', '1'],
  LargeFiles: ['4.12.0', '1'],
  PartialHardlinkSets: ['4.0.4', '1'],
  PayloadFilesHavePrefix: ['4.0', '1'],
  PayloadIsBzip2: ['3.0.5', '1'],
  PayloadIsLzma: ['4.4.2', '1'],
  PayloadIsXz: ['5.2', '1'],
  PayloadIsZstd: ['5.4.18', '1'],
  RichDependencies: ['4.12.0', '1'],
  ScriptletExpansion: ['4.9.0', '1'],
  ScriptletInterpreterArgs: ['4.0.3', '1'],
  TildeInVersions: ['4.10.0', '1'],
  VersionedDependencies: ['3.0.3', '1'],
};

/** Whether a requirement asks for a feature of rpm itself, which no package provides. */
export function asksRpm(name: string): boolean {
  return name.startsWith('rpmlib(');
}

/** Whether rpm itself meets a requirement. A feature that no rpm has is met by nobody. */
export function rpmMeets(requirement: Capability): boolean {
  const feature = FEATURES[/^rpmlib\((.*)\)$/.exec(requirement.name)?.[1] ?? ''];
  if (feature === undefined) return false;
  const [version, release] = feature;
  return overlaps({ name: requirement.name, flags: 'EQ', version, release }, requirement);
}

/** All features, as rpm prints them. */
export function rpmFeatures(): Capability[] {
  return Object.entries(FEATURES).map(([name, [version, release]]) => {
    return { name: `rpmlib(${name})`, flags: 'EQ', version, release };
  });
}
