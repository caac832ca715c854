using System.Net;
using System.Security;

namespace AmtTests
{
    internal static class Secrets
    {
        internal static SecureString From(string text)
        {
            return new NetworkCredential("", text).SecurePassword;
        }

        internal static string Reveal(SecureString secret)
        {
            return new NetworkCredential("", secret).Password;
        }
    }
}
