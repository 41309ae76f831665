/** A name out of metadata as it stands in a sentence: in quotes where it could be taken for a part of it. */
export function quoted(name: string): string {
  return /^[\w.@%+~*?![\]-]+$/.test(name) ? name : JSON.stringify(name)
}

const most = 20

/** Names in a row, and how many more there are. @param all leave none out */
export function enumerate(names: readonly string[], all: boolean): string {
  const more = names.length - most
  if (all || more <= 0) return names.join(', ')
  return `${names.slice(0, most).join(', ')}, and ${more} more, which --verbose names`
}
