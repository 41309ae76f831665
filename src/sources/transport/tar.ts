import { createTarOpener, memberUrl, readMember } from './tar-file.ts'
import { fileUrl, type SourceOptions } from '../source.ts'
import { isMetadataName, targetParts, type Transport } from './transport.ts'

/**
 * A signed repository in a tar: for a USB stick.
 * @param path absolute
 */
export function createTarTransport(path: string, options: SourceOptions): Transport {
  const openAgain = createTarOpener(path, options)
  return {
    url: fileUrl(path),
    async readMetadata(name, maxBytes) {
      if (!isMetadataName(name)) return undefined
      return readMember(await openAgain(), `metadata/${name}`, maxBytes)
    },
    targetUrl: (target) => memberUrl(path, ['targets', ...targetParts(target)].join('/')),
  }
}
