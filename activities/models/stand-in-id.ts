/** The model id of the stand-in (`testing/provider/`): a program of rules, for trying things out without a key. */
export const standInModelId = 'belayer-stand-in';
