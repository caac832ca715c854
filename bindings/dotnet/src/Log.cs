using System;

namespace Amt
{
    /// <summary>How important a line of the log is.</summary>
    public enum LogLevel : uint
    {
        /// <summary>Something failed that nobody else is told of.</summary>
        Error = 1,

        /// <summary>Something that an administrator should look at.</summary>
        Warn = 2,

        /// <summary>What happens seldom.</summary>
        Info = 3,

        /// <summary>A line for each connection.</summary>
        Debug = 4,

        /// <summary>Everything.</summary>
        Trace = 5,
    }

    /// <summary>A line of the library's log. No secret is in it.</summary>
    public sealed class LogLine
    {
        internal LogLine(LogLevel level, string target, string message)
        {
            Level = level;
            Target = target;
            Message = message;
        }

        /// <summary>How important it is.</summary>
        public LogLevel Level { get; private set; }

        /// <summary>The part of the library that says it, such as <c>amt::driver</c>.</summary>
        public string Target { get; private set; }

        /// <summary>The text, then its facts as <c>name=value</c>.</summary>
        public string Message { get; private set; }

        /// <summary>All of it.</summary>
        public override string ToString()
        {
            return Level + " " + Target + ": " + Message;
        }
    }

    /// <summary>The log of the C library: silent until somebody takes it.</summary>
    public static class Log
    {
        private static readonly object Lock = new object();

        // Alive for as long as the library may call it.
        private static LogSink current;

        // Whether this thread is inside it.
        [ThreadStatic]
        private static bool inside;

        /// <summary>Gives every line up to a level to a function, in place of the one before; null ends that. There is one for the process. It is
        /// called on the thread that does the work, inside the call that does it, and on several at a time; it has to return soon. What it
        /// throws is dropped. When this returns, the function before runs no more.</summary>
        /// <exception cref="AmtException"><see cref="AmtCode.Busy"/>: from inside such a function.</exception>
        public static void Take(LogLevel level, Action<LogLine> line)
        {
            Library.Check();
            LogSink next = line == null ? null : Sink(line);
            if (inside)
            {
                // Refused by the library. The lock may be held by who waits for this function to return.
                Set(level, next);
                return;
            }
            lock (Lock)
            {
                LogSink before = current;
                Set(level, next);
                current = next;
                GC.KeepAlive(before);
            }
        }

        private static void Set(LogLevel level, LogSink sink)
        {
            IntPtr err;
            Failure.Check(Native.amt_log_set_sink((uint)level, sink, IntPtr.Zero, out err), err);
        }

        private static LogSink Sink(Action<LogLine> line)
        {
            return delegate(IntPtr userData, uint level, IntPtr target, UIntPtr targetLen, IntPtr message, UIntPtr messageLen)
            {
                inside = true;
                try
                {
                    line(new LogLine((LogLevel)level, Reading.Text(target, targetLen), Reading.Text(message, messageLen)));
                }
                catch (Exception)
                {
                    // Nothing may unwind through the library.
                }
                finally
                {
                    inside = false;
                }
            };
        }
    }
}
