/**
 * The family name of a model without what is put around it: a gateway's prefix ('openai/gpt-5-mini'), the marks of a
 * fine-tuned model ('ft:gpt-4o-mini:acme::x'). Lower case.
 */
export function bareModelName(model: string): string {
  const name = model.toLowerCase().replace(/^ft:/u, '');
  const own = name.slice(name.lastIndexOf('/') + 1);
  return own.split(':', 1)[0] ?? own;
}
