// Uses proposed API without leave and tells in a status-bar item what came of it: stock VS Code must refuse.
const vscode = require('vscode');

exports.activate = () => {
  const item = vscode.window.createStatusBarItem('probe', vscode.StatusBarAlignment.Left);
  try {
    vscode.languages.registerInlineCompletionItemProvider(
      { scheme: 'never' },
      { provideInlineCompletionItems: () => [], handleDidShowCompletionItem() {} },
    );
    item.text = 'proposed API allowed';
  } catch (error) {
    item.text = 'proposed API refused';
    item.tooltip = error.message;
  }
  item.show();
};
