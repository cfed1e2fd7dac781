/** Detached signatures, one after the other, as `gpg --armor --detach-sign` writes them. */
export async function armorSignatures(packets: readonly Buffer[]): Promise<string> {
  const { armor, enums } = await import('openpgp');
  const withChecksum = true; // gpg 2.2 and gpgme cannot do without
  return armor(
    enums.armor.signature,
    new Uint8Array(Buffer.concat(packets)),
    undefined,
    undefined,
    undefined,
    withChecksum,
  );
}
