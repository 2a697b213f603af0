// How text from a flash appears: whoever wrote it may have meant to mislead who reads it.

/** Control characters, and those that are invisible or change the direction of what follows, as numbers. */
export function visible(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cs}]/gu, (character) => {
    return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
  });
}
