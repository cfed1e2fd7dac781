import {
  binary,
  header,
  int16,
  int32,
  int64,
  type RpmBytes,
  rpmBytes,
  TAGS,
  type Tag,
  tags,
  text,
  texts,
} from '../fixtures/rpmFile.ts';

/** A file that must be refused, and what rpm itself does with it: `reads` where we are stricter on purpose. */
export interface HostileRpm {
  readonly name: string;
  readonly bytes: Buffer;
  /** Part of our complaint. */
  readonly complaint: RegExp;
  readonly rpm: 'refuses' | 'reads';
}

const cases: HostileRpm[] = [];

function refused(name: string, complaint: RegExp, bytes: Buffer, rpm: HostileRpm['rpm'] = 'refuses'): void {
  cases.push({ name, complaint, bytes, rpm });
}

/** A sound package, spoilt in one place. */
function spoilt(spoil: (bytes: Buffer, place: RpmBytes) => void, from: RpmBytes = rpmBytes()): Buffer {
  const bytes = Buffer.from(from.bytes);
  spoil(bytes, from);
  return bytes;
}

/** Offset of a field (0 tag, 4 type, 8 offset, 12 count) of the main header's entry for a tag. */
function field(place: RpmBytes, tag: number, at: 0 | 4 | 8 | 12): number {
  for (let from = place.headerStart + 16; ; from += 16)
    if (place.bytes.readUInt32BE(from) === tag) return from + at;
}

function spoiltField(tag: number, at: 0 | 4 | 8 | 12, value: number): Buffer {
  return spoilt((bytes, place) => bytes.writeInt32BE(value | 0, field(place, tag, at)));
}

function withTags(...o: Parameters<typeof tags>): Buffer {
  return rpmBytes({ header: header(63, tags(...o)) }).bytes;
}

function withSignatures(...entries: Tag[]): Buffer {
  return rpmBytes({ signature: header(62, entries) }).bytes;
}

const sound = rpmBytes();

refused('an empty file', /ends within the lead/, Buffer.alloc(0));
refused('a login page', /not an RPM/, Buffer.from(`<!doctype html>${'<p>Please log in</p>'.repeat(20)}`));
refused('a lead of 95 bytes', /ends within the lead/, sound.bytes.subarray(0, 95));
refused(
  'a wrong lead magic',
  /not an RPM/,
  spoilt((b) => b.writeUInt8(0, 3)),
);
refused(
  'a lead of version 2',
  /version 2/,
  spoilt((b) => b.writeUInt8(2, 4)),
);
refused(
  'a lead of version 5',
  /version 5/,
  spoilt((b) => b.writeUInt8(5, 4)),
);
refused(
  'no signature header announced',
  /style 0/,
  spoilt((b) => b.writeUInt16BE(0, 78)),
);

for (const [what, at, kind] of [
  ['signature header', sound.signatureStart, 'signature header'],
  ['header', sound.headerStart, 'header'],
] as const) {
  const claim = (offset: number, value: number): Buffer => spoilt((b) => b.writeUInt32BE(value, at + offset));
  refused(
    `${what}: wrong magic`,
    /magic is wrong/,
    spoilt((b) => b.writeUInt8(0, at)),
  );
  refused(
    `${what}: wrong version`,
    /magic is wrong/,
    spoilt((b) => b.writeUInt8(2, at + 3)),
  );
  refused(
    `${what}: reserved bytes used`,
    /magic is wrong/,
    spoilt((b) => b.writeUInt8(1, at + 7)),
  );
  refused(`${what}: no entries`, /claims 0 entries/, claim(8, 0));
  refused(`${what}: too many entries`, /entries/, claim(8, kind === 'header' ? 65_536 : 33));
  refused(`${what}: 2^32-1 entries`, /claims 4294967295 entries/, claim(8, 0xffff_ffff));
  refused(`${what}: 2^28 entries, whose bytes overflow 32 bits`, /entries/, claim(8, 0x1000_0000));
  refused(`${what}: 4 GiB of data`, /bytes of data/, claim(12, 0xffff_ffff));
  refused(`${what}: 2 GiB of data`, /bytes of data/, claim(12, 0x7fff_ffff));
  refused(`${what}: 60 MiB of data in a file of a kilobyte`, /ends within the/, claim(12, 60 << 20));
  refused(
    `${what}: one byte of data less than there is`,
    /./,
    claim(12, sound.bytes.readUInt32BE(at + 12) - 1),
  );
  refused(`${what}: ends in its magic`, /ends within the/, sound.bytes.subarray(0, at + 4));
  refused(`${what}: ends in its index`, /ends within the/, sound.bytes.subarray(0, at + 24));
  refused(
    `${what}: region of another type`,
    /region is broken/,
    spoilt((b) => b.writeUInt32BE(6, at + 20)),
  );
  refused(
    `${what}: region of another count`,
    /region is broken/,
    spoilt((b) => b.writeUInt32BE(15, at + 28)),
  );
  refused(
    `${what}: region trailer beyond the data`,
    /region is broken/,
    spoilt((b) => b.writeUInt32BE(0x7fff_fff0, at + 24)),
  );
  refused(
    `${what}: region trailer elsewhere`,
    /region is broken/,
    spoilt((b) => b.writeUInt32BE(0, at + 24)),
  );
}

refused(
  'ends in the padding',
  /ends within the (padding|signature header)/,
  sound.bytes.subarray(0, sound.headerStart - 2),
);
refused('ends after the signatures', /ends within the header/, sound.bytes.subarray(0, sound.headerStart));
refused(
  'ends one byte before the payload',
  /ends within the header/,
  sound.bytes.subarray(0, sound.payloadStart - 1),
);

const trailerOffset = (place: RpmBytes): number => place.payloadStart - 16 + 8;
refused(
  'a region that spans more entries than there are',
  /claims .* bytes of entries/,
  spoilt((b, p) => b.writeInt32BE(-1600, trailerOffset(p))),
);
refused(
  'a region of a positive offset',
  /claims -/,
  spoilt((b, p) => b.writeInt32BE(272, trailerOffset(p))),
);
refused(
  'a region of half an entry',
  /claims .* bytes of entries/,
  spoilt((b, p) => b.writeInt32BE(-24, trailerOffset(p))),
);
refused(
  'entries outside of the region',
  /outside of its region/,
  spoilt((b, p) => b.writeInt32BE(-32, trailerOffset(p))),
);
refused(
  'no region',
  /does not begin with its region/,
  rpmBytes({ header: header(0, tags()) }).bytes,
  'reads',
);
refused(
  'the region of the other header',
  /does not begin with its region/,
  rpmBytes({ header: header(62, tags()) }).bytes,
);

refused('an unknown type', /has type 10/, spoiltField(1009, 4, 10));
refused('a negative type', /has type 4294967295/, spoiltField(1009, 4, -1));
refused('the null type', /is empty/, spoiltField(1009, 4, 0));
refused('no items', /is empty/, spoiltField(1009, 12, 0));
refused('2^32-1 integers', /does not end within/, spoiltField(1009, 12, -1));
refused(
  '2^30 integers, whose bytes overflow 32 bits',
  /does not end within/,
  spoiltField(1009, 12, 0x4000_0000),
);
refused('2^32-1 strings', /does not end within/, spoiltField(1004, 12, -1));
refused('a single string that is two', /is 2 strings/, spoiltField(1000, 12, 2));
refused('a negative offset', /does not end within|not aligned/, spoiltField(1009, 8, -4));
refused('an offset beyond the data', /does not end within/, spoiltField(1009, 8, 1 << 20));
refused(
  'an integer that is not aligned',
  /not aligned/,
  spoilt((b, p) => b.writeInt32BE(b.readInt32BE(field(p, 1009, 8)) + 1, field(p, 1009, 8))),
);
refused(
  'data that overlaps',
  /overlaps/,
  spoilt((b, p) => b.writeInt32BE(b.readInt32BE(field(p, 1001, 8)), field(p, 1002, 8))),
);
refused('data in another order than the index', /overlaps/, spoiltField(1002, 8, 0));
refused('a tag below the regions', /has a tag 61/, spoiltField(1125, 0, 61));
refused('a negative tag', /has a tag 4294967295/, spoiltField(1125, 0, -1));
refused('a string without an end', /does not end within/, stringWithoutEnd());

refused('two names', /tag 1000 twice/, withTags({}, [text(1000, 'evil')]), 'reads');
refused('a name that is a list', /type 8 instead/, withTags({ name: texts(1000, ['hello']) }), 'reads');
refused('a name that is a number', /type 4 instead/, withTags({ name: int32(1000, 7) }));
refused(
  'a version that is binary',
  /type 7 instead/,
  withTags({ version: binary(1001, Buffer.from('2\0')) }),
);
refused('an epoch of 16 bits', /not one integer of 4 bytes/, withTags({ epoch: int16(1003, 3) }));
refused('an epoch of 64 bits', /not one integer of 4 bytes/, withTags({ epoch: int64(1003, 3n) }));
refused('two epochs', /not one integer of 4 bytes/, withTags({ epoch: int32(1003, 3, 4) }), 'reads');
refused('an epoch that is text', /not one integer/, withTags({ epoch: text(1003, '3') }));
refused(
  'an installed size beyond 2^53',
  /is 18446744073709551615/,
  withTags({}, [int64(5009, 2n ** 64n - 1n)]),
  'reads',
);
refused(
  'a source package that was built from one',
  /says that it is a source/,
  withTags({}, [int32(1106, 1)]),
  'reads',
);

for (const missing of ['name', 'version', 'release', 'arch'] as const) {
  refused(`no ${missing}`, new RegExp(`has no ${missing}`), withTags({ [missing]: undefined }), 'reads');
}
for (const [what, name] of [
  ['that leaves its folder', '../../etc/cron.d/x'],
  ['that is absolute', '/etc/passwd'],
  ['that is an option', '-rf'],
  ['that is hidden', '.bashrc'],
  ['that is empty', ''],
  ['with a line feed', 'hello\nevil'],
  ['with a terminal escape', 'hello\u001b[2J'],
  ['with a direction override', 'hello\u202e'],
  ['that is not ASCII', 'héllo'],
  ['of 257 characters', 'a'.repeat(257)],
] as const) {
  refused(
    `a name ${what}`,
    /identity: .*not a valid package name/,
    withTags({ name: text(1000, name) }),
    'reads',
  );
}
refused(
  'a name that is not UTF-8',
  /not a valid package name/,
  withTags({ name: { ...TAGS.name, data: Buffer.from('68ff00', 'hex') } }),
  'reads',
);
refused('a version with a hyphen', /not a valid version/, withTags({ version: text(1001, '2-0') }), 'reads');
refused('a version with a colon', /not a valid version/, withTags({ version: text(1001, '9:2') }), 'reads');
refused('an empty release', /not a valid release/, withTags({ release: text(1002, '') }), 'reads');
refused('an arch with a slash', /not a valid arch/, withTags({ arch: text(1022, 'x/../y') }), 'reads');
refused(
  'a name in the signature header, where a size belongs',
  /not one integer/,
  withSignatures(text(1000, 'evil')),
);

/** The last string before the region has no zero byte, and neither has what follows: the region is binary here. */
function stringWithoutEnd(): Buffer {
  return spoilt((bytes, place) => {
    bytes.writeUInt32BE(TAGS.payloadCompressor.data.length + 17, field(place, 1125, 12)); // that many strings
    bytes.writeUInt32BE(8, field(place, 1125, 4));
  });
}

export const HOSTILE_RPMS: readonly HostileRpm[] = cases;
