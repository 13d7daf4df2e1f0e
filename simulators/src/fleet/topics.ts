/** Topics of devices. */

const capture = '{device}';

/** Puts a device's name into a topic such as `sensors/{device}/climate`. */
export function topicFor(pattern: string, device: string): string {
  return pattern.replaceAll(capture, device);
}
