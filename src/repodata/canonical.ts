import { escapeAttribute, escapeText, utf8Text, XmlReader } from './xml.ts';

/**
 * An element as Sluice keeps and publishes it: the upstream's own bytes when they mean by themselves what they meant
 * in their document (usual prefixes, no comments, CDATA or instructions, `xml:base` on nothing but a location), else
 * the same element written anew. Every element passes through here, so this is where a malformed one is refused:
 * what is not well-formed could change the document that it is put into. METADATA_INVALID.
 */
export function canonicalElement(element: Buffer, at = 'an element'): Buffer {
  const reader = new XmlReader(utf8Text(element, at), at);
  let usual = true;
  for (let token = reader.next(); token !== 'end'; token = reader.next()) {
    if (token === 'open' && usual) usual = isUsual(reader);
  }
  if (usual && !reader.sawMisc && element[0] === 0x3c && element[element.length - 1] === 0x3e) return element;
  return Buffer.from(rewritten(new XmlReader(reader.text, at)));
}

function isUsual(reader: XmlReader): boolean {
  const foreign = reader.name.startsWith('{');
  if (!foreign && reader.name !== reader.written) return false;
  return reader.attributeNames.every(
    (name) => !name.includes(':') || foreign || isKept(reader, name) || name.startsWith('xmlns:'),
  );
}

function isKept(reader: XmlReader, attribute: string): boolean {
  return attribute === 'xml:lang' || (attribute === 'xml:base' && reader.name === 'location');
}

/** Token by token: canonical names, attributes in double quotes, references only where they are needed. */
function rewritten(reader: XmlReader): string {
  let out = '';
  for (let token = reader.next(); token !== 'end'; token = reader.next()) {
    if (token === 'text') out += escapeText(reader.characterData);
    else if (token === 'close') out += `</${plainName(reader.name)}>`;
    else out += `<${plainName(reader.name)}${declaration(reader.name)}${attributes(reader)}>`;
  }
  return out;
}

function attributes(reader: XmlReader): string {
  return reader.attributeNames
    .filter((name) => name !== 'xmlns' && (!name.includes(':') || isKept(reader, name)))
    .map((name) => ` ${name}="${escapeAttribute(reader.attribute(name) ?? '')}"`)
    .join('');
}

/** `{uri}local` is written without a prefix, its namespace declared on the spot. */
function plainName(name: string): string {
  return name.slice(name.indexOf('}') + 1);
}

function declaration(name: string): string {
  return name.startsWith('{') ? ` xmlns="${escapeAttribute(name.slice(1, name.indexOf('}')))}"` : '';
}

/** What stands before and after the elements of a published document; the elements are joined by newlines. */
export interface Frame {
  readonly head: Buffer;
  readonly tail: Buffer;
}

export function frame(root: string, attributes: string): Frame {
  return {
    head: Buffer.from(`<?xml version="1.0" encoding="UTF-8"?>\n<${root} ${attributes}>\n`),
    tail: Buffer.from(`</${root}>\n`),
  };
}
