/** The stand-in's sentences, in the three languages that it knows. Other mails are answered in English. */
export interface OrderWords {
  readonly orderId: string;
  readonly item: string;
  readonly state: 'packed' | 'shipped' | 'delivered';
  readonly tracking?: string;
}

export interface Words {
  letter(body: string): string;
  refunded(amount: string): string;
  state(order: OrderWords): string;
  readonly whichOrder: string;
  readonly colleague: string;
  readonly denied: string;
  /** What had been paid back before, as amounts with their orders. */
  calledOff(refunded: readonly string[]): string;
}

export type Language = 'en' | 'de' | 'es';

const common: Readonly<Record<Exclude<Language, 'en'>, RegExp>> = {
  de: /\b(ich|und|die|der|nicht|bitte|meine|für|ist|guten|grüße|bestellung)\b/giu,
  es: /\b(el|la|mi|pedido|gracias|hola|una?|los|por|está|dónde|necesito)\b/giu,
};

/** By its commonest words; three of them make a language. */
export function languageOf(text: string): Language {
  const count = (language: Exclude<Language, 'en'>): number =>
    text.match(common[language])?.length ?? 0;
  const [best] = (['de', 'es'] as const).toSorted((a, b) => count(b) - count(a));
  return best !== undefined && count(best) >= 3 ? best : 'en';
}

export const wordsOf = (language: Language): Words => all[language];

const all: Readonly<Record<Language, Words>> = {
  en: {
    letter: (body) => `Hello,\n\n${body}\n\nKind regards\nCrag & Summit\n(written by a program)\n`,
    refunded: (amount) => `we have refunded ${amount}, the way that you paid.`,
    state: ({ orderId, item, state, tracking }) =>
      `your order ${orderId} (${item}) is ${state}${tracking === undefined ? '' : `; its tracking number is ${tracking}`}.`,
    whichOrder: 'we found no such order of yours. Could you send us its number? It begins with A-.',
    colleague: 'a colleague will look into this and write to you.',
    denied:
      'we could not pay the money back at once: the refund was not approved. A colleague will look into this and write to you.',
    calledOff: (refunded) =>
      refunded.length === 0
        ? 'we have stopped. Nothing had been paid back.'
        : `we have stopped. Already paid back, or on its way to you: ${refunded.join(', ')}. A colleague will write to you about it.`,
  },
  de: {
    letter: (body) =>
      `Guten Tag,\n\n${body}\n\nFreundliche Grüße\nCrag & Summit\n(von einem Programm geschrieben)\n`,
    refunded: (amount) =>
      `wir haben Ihnen ${amount} auf dem Weg erstattet, auf dem Sie bezahlt haben.`,
    state: ({ orderId, item, state, tracking }) =>
      `Ihre Bestellung ${orderId} (${item}) ist ${{ packed: 'verpackt', shipped: 'unterwegs', delivered: 'zugestellt' }[state]}${tracking === undefined ? '' : `; die Sendungsnummer ist ${tracking}`}.`,
    whichOrder:
      'wir finden keine solche Bestellung von Ihnen. Wie lautet ihre Nummer? Sie beginnt mit A-.',
    colleague: 'eine Kollegin wird sich darum kümmern und Ihnen schreiben.',
    denied:
      'wir konnten das Geld nicht sofort erstatten: Die Erstattung wurde nicht genehmigt. Eine Kollegin wird sich darum kümmern und Ihnen schreiben.',
    calledOff: (refunded) =>
      refunded.length === 0
        ? 'wir haben aufgehört. Erstattet war noch nichts.'
        : `wir haben aufgehört. Schon erstattet oder unterwegs: ${refunded.join(', ')}. Eine Kollegin wird Ihnen dazu schreiben.`,
  },
  es: {
    letter: (body) => `Hola:\n\n${body}\n\nUn saludo\nCrag & Summit\n(escrito por un programa)\n`,
    refunded: (amount) => `le hemos devuelto ${amount} por la misma vía por la que pagó.`,
    state: ({ orderId, item, state, tracking }) =>
      `su pedido ${orderId} (${item}) ${{ packed: 'está embalado', shipped: 'está en camino', delivered: 'fue entregado' }[state]}${tracking === undefined ? '' : `; su número de seguimiento es ${tracking}`}.`,
    whichOrder: 'no encontramos ese pedido suyo. ¿Nos envía su número? Empieza por A-.',
    colleague: 'una compañera se ocupará de ello y le escribirá.',
    denied:
      'no hemos podido devolver el dinero enseguida: la devolución no fue aprobada. Una compañera se ocupará de ello y le escribirá.',
    calledOff: (refunded) =>
      refunded.length === 0
        ? 'hemos parado. No se había devuelto nada.'
        : `hemos parado. Ya devuelto o en camino: ${refunded.join(', ')}. Una compañera le escribirá sobre ello.`,
  },
};
