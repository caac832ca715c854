using System;
using System.Threading;

namespace Amt
{
    internal static class Cancelling
    {
        // A call that `cancel` ends from another thread, and so does the token.
        internal static T Run<T>(Action cancel, CancellationToken cancellation, Func<T> call)
        {
            try
            {
                using (cancellation.Register(delegate { IfAlive(cancel); }))
                {
                    return call();
                }
            }
            catch (AmtException error)
            {
                if (error.Code == AmtCode.Cancelled && cancellation.IsCancellationRequested)
                {
                    throw new OperationCanceledException(error.Message, error, cancellation);
                }
                throw;
            }
        }

        // Whoever cancels a token need not know that the call is over and its handle freed.
        private static void IfAlive(Action cancel)
        {
            try
            {
                cancel();
            }
            catch (ObjectDisposedException)
            {
            }
        }
    }
}
